package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/internal/contextlog"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/internal/requestid"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// serve runs one service until it is told to stop.
func (a *app) serve(c *cli.Context, args []string) error {
	if len(args) != 1 {
		return usagef("serve wants the name of one service: %s", strings.Join(a.names(), ", "))
	}
	i := slices.IndexFunc(a.programs, func(p Program) bool { return p.Name == args[0] })
	if i < 0 {
		hint := didYouMean(args[0], a.names())
		if args[0] == "web" {
			hint = fmt.Sprintf("; the gateway is a command of its own: %s web", a.name)
		}
		return usagef("no service is named %q (there is %s)%s", args[0], strings.Join(a.names(), ", "), hint)
	}
	p := a.programs[i]

	s, err := a.session(p.Name, true)
	if err != nil {
		return err
	}
	defer s.tracing.Stop()
	s.log = slog.New(contextlog.New(s.log.Handler(), requestid.LogAttrs)) // as the gateway does with its own
	if refuse := s.env.exposure(); refuse != "" && s.overHTTP() {
		s.transport.Close()
		return configError{fmt.Sprintf("service %s cannot be served: %s", p.Name, refuse)}
	}
	calls := false
	mux, err := p.build(Resources{Caller: s.tracing.Caller(s.transport), Log: s.log, Config: s.env.config, calls: &calls})
	if err != nil {
		s.transport.Close() // otherwise the lifecycle does it, within its time
		return configError{fmt.Sprintf("service %s cannot be built: %v", p.Name, err)}
	}
	if mux.Title == "" {
		mux.Title = p.Name
	}
	if mux.Version == "" {
		mux.Version = buildVersion()
	}
	if mux.Logger == nil {
		mux.Logger = s.log
	}

	if mux.Timeout <= 0 {
		mux.Timeout = s.env.config.Timeout
	}
	if mux.Grace <= 0 {
		mux.Grace = stuckGrace
	}
	if mux.MaxReply <= 0 {
		mux.MaxReply = s.env.config.MaxMessage
	}

	bindings, err := bindingsOf(c, mux)
	if err != nil {
		s.transport.Close()
		return err
	}
	ad := s.adapter(p.Name, mux)
	service := ad.serves(s.env.config.Concurrency)
	service.Bindings = bindings
	stuck := newStuckWatch(mux, s.env.config.Concurrency, s.env.config.Timeout)
	attrs := []any{"methods", strings.Join(mux.Methods(), " "), "slots", s.env.config.Concurrency}
	if bindings != nil {
		attrs = append(attrs, "only", strings.Join(bindings, " "))
	}
	s.hello(true, calls, attrs...)
	return s.refused(a.lifecycle(s).run(c.Context, work{
		running: ad.running.Load,
		ending:  stuck.ending,
		abandon: mux.Abandon,
		close:   s.transport.Close,
		run: stuck.beside(s.besideBroker(func(taking context.Context) error {
			err := s.transport.Serve(taking, service)
			switch {
			case errors.Is(err, transports.ErrStalled):
				err = fmt.Errorf("%w; %s", err, freshProcess)
			case errors.Is(err, transports.ErrUnsupported):
				err = s.cannotServe(service, mux, err)
			}
			return err
		})),
	}))
}

func (s *session) adapter(service string, mux *jsonrpc.Mux) *adapter {
	locator, _ := s.transport.(transports.Locator)
	_, keeps := s.transport.(transports.DeadLetterQueue)
	a := &adapter{mux: mux, service: service, instance: s.instance, locator: locator, forgets: !keeps, tracing: s.tracing, log: s.log,
		principals: passport.NewKeys(exposed(s.env.config.PrincipalKeys)...)}
	if s.tracing != nil {
		a.methods = map[string]bool{"rpc.discover": true, "rpc.ping": true, "rpc.stats": true}
		for _, method := range mux.Methods() {
			a.methods[method] = true
		}
	}
	return a
}

func (a *app) names() []string {
	names := make([]string, len(a.programs))
	for i, p := range a.programs {
		names[i] = p.Name
	}
	return names
}

func (a *app) lifecycle(s *session) lifecycle {
	return lifecycle{signals: a.sys.Signals, terminal: isTerminal(a.sys.Stdin), drain: s.env.config.Drain, log: s.log}
}
