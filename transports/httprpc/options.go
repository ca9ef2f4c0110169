package httprpc

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/journeyman-go/journeyman/transports"
)

// Options say where services are and where this process serves its own. A process
// that only serves needs Listen alone, one that only calls Services or Base.
type Options struct {
	// Services holds the base URL of each service by its name: http or https, a host,
	// and maybe a port and a path. "/rpc/" and the name are appended to it.
	Services map[string]string

	// Base is the base URL of the services that Services does not name. {service} in
	// its host or path stands for the name; without it, as for a gateway, all of them are there.
	Base string

	Listen string // host:port on which Serve listens; all services of a process share it

	// Keys, where there are any, are what a caller must show one of to be served
	// ("Authorization: Bearer KEY"). A caller shows the first. So a key is replaced by
	// adding the new one everywhere, then making it the first, then removing the old one.
	Keys []string

	Catalogue  []string // names to look for with Base: what Services and Examine report on
	MaxMessage int      // longest body in bytes, both ways; 0 means DefaultMaxMessage
	MaxQueue   int      // messages that may wait for a free slot here; 0 or anything greater means MostWaiting
	Instance   string   // the platform's name for this process, shown to people
	Version    string   // of the application, shown to people
	Log        *slog.Logger
}

// DefaultMaxMessage bounds a body, in bytes, where Options do not.
const DefaultMaxMessage = 8 << 20

// MostWaiting bounds how many messages wait in a process beside those that run. Each
// of them is memory and most are an open connection; HTTP has no better place for them.
const MostWaiting = 1000

// placeholder stands for a service's name in Options.Base.
const placeholder = "{service}"

func (o *Options) defaults() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.MaxQueue == 0 || o.MaxQueue > MostWaiting {
		o.MaxQueue = MostWaiting
	}
}

// check returns what can never work about the options. It shows no key and no
// password, which some people write into addresses.
func (o *Options) check() error {
	for _, name := range o.Catalogue {
		if err := transports.CheckName(name); err != nil {
			return err
		}
	}
	for name, base := range o.Services {
		if err := transports.CheckName(name); err != nil {
			return err
		}
		if strings.Contains(base, placeholder) {
			return fmt.Errorf("address of %s: %s has no meaning in the address of one service", name, placeholder)
		}
		if _, err := newAddress(name, base); err != nil {
			return fmt.Errorf("address of %s: %w", name, err)
		}
	}
	if o.Base != "" {
		if _, err := newAddress("service", strings.ReplaceAll(o.Base, placeholder, "service")); err != nil {
			return fmt.Errorf("base address: %w", err)
		}
	}
	if o.Listen != "" {
		if _, _, err := net.SplitHostPort(o.Listen); err != nil {
			return fmt.Errorf("address to listen on: %w", err)
		}
	}
	for _, key := range o.Keys {
		if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return errors.New("a key is empty or holds something else than visible ASCII characters, and so cannot stand in a header")
		}
	}
	if o.MaxMessage < 0 || o.MaxQueue < 0 {
		return fmt.Errorf("limits of %d bytes and %d waiting messages: want none below zero", o.MaxMessage, o.MaxQueue)
	}
	return nil
}

// An address is where one service is called.
type address struct {
	service string
	secure  bool   // https
	host    string // as the address spells it, for the Host header
	name    string // the host without its port, for certificates
	dial    string // host:port
	prefix  string // path of the base URL, escaped, without a slash at the end
}

// newAddress reads a base URL. What it quotes of a bad one is never what may be a secret.
func newAddress(service, base string) (*address, error) {
	if strings.ContainsAny(base, "{}") {
		return nil, fmt.Errorf("the one thing that may stand in braces is %s", placeholder)
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, errors.New("not a URL") // url.Error repeats it, and so a password
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("not a URL that begins with http:// or https://")
	case u.User != nil:
		return nil, errors.New("a user or password in a URL is not used; keys are a setting of their own")
	case u.Hostname() == "":
		return nil, errors.New("there is no host in it")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("host %s: a base URL has no query and no fragment", u.Host)
	}
	a := &address{
		service: service, secure: u.Scheme == "https", host: u.Host, name: u.Hostname(),
		prefix: strings.TrimRight(u.EscapedPath(), "/"),
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[a.secure]
	}
	a.dial = net.JoinHostPort(a.name, port)
	return a, nil
}

// url returns the address of something on the service's host, as people know it.
func (a *address) url(path string) string {
	scheme := "http://"
	if a.secure {
		scheme = "https://"
	}
	return scheme + a.host + a.prefix + path
}

// addressOf returns where a service is called. There is one only for names that the
// configuration knows, so asking a broker, as other transports do, is not needed.
func (o *Options) addressOf(service string) (*address, error) {
	if base, ok := o.Services[service]; ok {
		return newAddress(service, base)
	}
	if o.Base != "" {
		return newAddress(service, strings.ReplaceAll(o.Base, placeholder, service))
	}
	return nil, fmt.Errorf("%w: no address is set for %q", transports.ErrNoService, service)
}
