package runner

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// bindingsOf reads the flag --only; nil where it is not set.
func bindingsOf(c *cli.Context, mux *jsonrpc.Mux) (bindings []string, err error) {
	if !c.IsSet("only") {
		return nil, nil
	}
	known := mux.Methods()
	for name := range strings.SplitSeq(c.String("only"), ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "" || slices.Contains(bindings, name):
			continue
		case !slices.Contains(known, name):
			return nil, usagef("--only names %q, and the methods are %s%s", name, strings.Join(known, ", "), didYouMean(name, known))
		}
		bindings = append(bindings, name)
	}
	if bindings == nil {
		return nil, usagef("--only is empty, want one of %s or several, separated by commas", strings.Join(known, ", "))
	}
	return bindings, nil
}

// cannotServe is the fault of a configuration whose transport refuses what a service
// needs, which it does before it has taken anything.
func (s *session) cannotServe(service transports.Service, mux *jsonrpc.Mux, err error) error {
	var faults configError
	b := s.env.broker
	if len(service.Bindings) > 0 && b.transport != onRabbitMQ {
		faults = append(faults, fmt.Sprintf("serve --only: %s has no queues for single methods, and RabbitMQ has (JOURNEYMAN_TRANSPORT=rabbitmq)", b.title()))
	}
	if service.Dedupe != nil && b.transport != onRedis {
		var methods []string
		for _, m := range service.Methods {
			if mux.Policy(m).Dedupe > 0 {
				methods = append(methods, m)
			}
		}
		faults = append(faults, fmt.Sprintf("service %s has jsonrpc.Dedupe on %s, and %s cannot remember replies: serve it on Redis (JOURNEYMAN_TRANSPORT=redis), or make the method harmless to repeat and take the option away",
			service.Name, strings.Join(methods, ", "), b.title()))
	}
	if len(faults) == 0 {
		faults = append(faults, fmt.Sprintf("service %s cannot be served: %v", service.Name, err))
	}
	return faults
}

// exposure is why a service must not listen over HTTP, or "": on a platform others
// may reach its port.
func (e *environment) exposure() string {
	if e.platform.name == "" || len(e.config.APIKeys) > 0 || net.ParseIP(e.config.Bind).IsLoopback() {
		return ""
	}
	return fmt.Sprintf("on %s others may reach its port, so set JOURNEYMAN_API_KEYS, the same for every process: callers must show one of them", e.platform.name)
}
