package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

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
	calls := false
	mux, err := p.build(Resources{Caller: s.transport, Log: s.log, Config: s.env.config, calls: &calls})
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

	ad := s.adapter(p.Name, mux)
	stuck := newStuckWatch(mux, s.env.config.Concurrency, s.env.config.Timeout)
	s.hello(true, calls, "methods", strings.Join(mux.Methods(), " "), "slots", s.env.config.Concurrency)
	return s.refused(a.lifecycle(s).run(c.Context, work{
		running: ad.running.Load,
		ending:  stuck.ending,
		abandon: mux.Abandon,
		close:   s.transport.Close,
		run: stuck.beside(s.besideBroker(func(taking context.Context) error {
			err := s.transport.Serve(taking, ad.serves(s.env.config.Concurrency))
			if errors.Is(err, transports.ErrStalled) {
				err = fmt.Errorf("%w; %s", err, freshProcess)
			}
			return err
		})),
	}))
}

func (s *session) adapter(service string, mux *jsonrpc.Mux) *adapter {
	locator, _ := s.transport.(transports.Locator)
	return &adapter{mux: mux, service: service, instance: s.instance, locator: locator, log: s.log}
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

// A session is a command's configuration, log and open transport.
type session struct {
	env       environment
	binary    string // its name, for hints
	log       *slog.Logger
	instance  string
	transport transports.Transport
	link      Link
}

// session opens the transport for a program. Long-running ones log to stdout, as
// platforms expect, and announce the catalogue; the others speak on stderr and
// only of errors, as their caller gets one clear line anyway.
func (a *app) session(program string, long bool) (*session, error) {
	env, err := a.environment(true)
	if err != nil {
		return nil, err
	}
	s := &session{env: env, binary: a.name}
	hostname, _ := os.Hostname() // a label; instance does without
	s.instance = instance(program, os.Getenv, hostname)
	target := env.target(s.instance)
	if long {
		// Transports name the service themselves where there is one.
		target.Log = newLogger(a.sys.Stdout, env.config, env.config.LogLevel, os.Getenv).With(keyInstance, s.instance)
		s.log = target.Log.With(keyService, program)
		target.Catalogue = a.names()
		for _, w := range env.warnings {
			s.log.Warn(w)
		}
	} else {
		level := slog.LevelError
		if env.setting("JOURNEYMAN_LOG_LEVEL").Source != "default" {
			level = env.config.LogLevel
		}
		s.log = newLogger(a.sys.Stderr, env.config, level, os.Getenv)
		target.Log = s.log
		for _, w := range env.warnings {
			a.complain(w)
		}
	}
	if s.link, err = a.openTarget(env, target); err != nil {
		return nil, err
	}
	s.transport = s.link.Transport
	return s, nil
}

// target is the broker as a transport needs to know it, less the log.
func (e *environment) target(instance string) Target {
	return Target{
		URL: e.broker.url, TLS: e.config.RedisTLS, Namespace: e.config.Namespace,
		ArticleServices: e.config.ArticleServices, MaxMessage: e.config.MaxMessage, MaxQueue: e.config.MaxQueue,
		Instance: instance, Version: buildVersion(),
	}
}

func (a *app) openTarget(env environment, t Target) (Link, error) {
	link, err := a.open(t)
	if err != nil {
		return Link{}, configError{fmt.Sprintf("the broker from %s cannot be used: %v", env.broker.source, err)}
	}
	return link, nil
}

// try finds what only the transport knows to be wrong with the settings, for
// commands that do not use it. It reaches for no broker.
func (a *app) try(env environment) error {
	target := env.target(a.name)
	target.Log = slog.New(slog.DiscardHandler)
	link, err := a.openTarget(env, target)
	if err != nil {
		return err
	}
	return link.Transport.Close()
}

// hello says in two lines what an operator asks first.
func (s *session) hello(serving, calling bool, attrs ...any) {
	attrs = append([]any{"version", buildVersion(), "go", runtime.Version()}, attrs...)
	attrs = append(attrs, "drain", s.env.config.Drain.String(), "timeout", s.env.config.Timeout.String())
	if p := s.env.platform; p.name != "" {
		attrs = append(attrs, "platform", p.name)
		if p.hint != "" && s.env.setting("JOURNEYMAN_DRAIN").Source == p.name {
			attrs = append(attrs, "hint", p.hint)
		}
	}
	s.log.Info("starting", attrs...)
	attrs = []any{"url", redactURL(s.env.broker.url), "from", s.env.broker.source}
	if s.link.Connections != nil {
		attrs = append(attrs, "connections", s.link.Connections(serving, calling))
	}
	s.log.Info("broker", attrs...)
}
