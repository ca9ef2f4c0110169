package runner

import (
	"cmp"
	"fmt"
	"strings"
)

// title is what people call this kind of broker.
func (b broker) title() string {
	if b.transport == "" {
		return "the broker"
	}
	return familyNamed(b.transport).title
}

// what is what stands at the far end.
func (b broker) what() string {
	if b.transport == overHTTP {
		return "HTTP"
	}
	return "the broker"
}

// where is what, with the address and where that was found.
func (b broker) where() string {
	if b.transport == overHTTP {
		return fmt.Sprintf("the services (from %s)", b.source)
	}
	return fmt.Sprintf("the broker at %s (from %s)", redactURL(b.url), b.source)
}

// addressOf is where a service is over HTTP, with its password; "" for a service
// without an address.
func (b broker) addressOf(service string) string {
	return cmp.Or(b.addresses[service], strings.ReplaceAll(b.url, placeholder, service))
}

// whereIs names a service and its address over HTTP.
func (b broker) whereIs(service string) string {
	return fmt.Sprintf("%s at %s (from %s)", service, redactURL(b.addressOf(service)), b.source)
}

func (s *session) overHTTP() bool { return s.env.broker.transport == overHTTP }
