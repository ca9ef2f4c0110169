package runner

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

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

	ad := &adapter{mux: mux, timeout: s.env.config.Timeout, log: s.log}
	s.hello(true, calls, "methods", strings.Join(mux.Methods(), " "), "slots", s.env.config.Concurrency)
	return a.lifecycle(s).run(c.Context, work{
		running: ad.running.Load,
		close:   s.transport.Close,
		run: func(taking context.Context) error {
			defer s.awaitBroker(taking)()
			return s.transport.Serve(taking, transports.Service{
				Name: p.Name, Handler: ad.handle, Slots: s.env.config.Concurrency, Methods: mux.Methods(),
			})
		},
	})
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
	s := &session{env: env}
	hostname, _ := os.Hostname() // a label; instance does without
	s.instance = instance(program, os.Getenv, hostname)
	target := Target{
		URL: env.broker.url, TLS: env.config.RedisTLS, Namespace: env.config.Namespace,
		ArticleServices: env.config.ArticleServices, MaxMessage: env.config.MaxMessage,
		Instance: s.instance, Version: buildVersion(),
	}
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
	if s.link, err = a.open(target); err != nil {
		return nil, configError{fmt.Sprintf("the broker from %s cannot be used: %v", env.broker.source, err)}
	}
	s.transport = s.link.Transport
	return s, nil
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

// awaitBroker says once that the broker answers, or that it does not yet; the
// transport itself goes on trying for ever. The returned function waits for its
// goroutine, which ends with the work.
func (s *session) awaitBroker(ctx context.Context) (wait func()) {
	pinger, ok := s.transport.(transports.Pinger)
	if !ok {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		pause, said := 250*time.Millisecond, false
		for {
			try, stop := context.WithTimeout(ctx, 5*time.Second)
			err := pinger.Ping(try)
			stop()
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				s.log.Info("ready")
				return
			case !said:
				said = true
				s.log.Warn("not ready: no broker answers yet; trying again until one does", "url", redactURL(s.env.broker.url), "err", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause + rand.N(pause)):
				pause = min(2*pause, 5*time.Second)
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
