package runner

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"github.com/journeyman-go/journeyman/internal/contextlog"
	"github.com/journeyman-go/journeyman/internal/tracing"
	"github.com/journeyman-go/journeyman/transports"
)

// A session is a command's configuration, log and open transport.
type session struct {
	env       environment
	binary    string // its name, for hints
	log       *slog.Logger
	instance  string
	transport transports.Transport
	link      Link
	tracing   *tracing.Tracing // nil: it is off, as it is for commands that are over soon
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
	target.Known = a.names()
	if long {
		// Transports name the service themselves where there is one.
		target.Log = newLogger(a.sys.Stdout, env.config, env.config.LogLevel, os.Getenv).With(keyInstance, s.instance)
		if tracing.On(os.Getenv) {
			target.Log = slog.New(contextlog.New(target.Log.Handler(), tracing.LogAttrs))
		}
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
	if long {
		s.startTracing(program)
	}
	return s, nil
}

// startTracing starts it where the environment asks for it. A setting of it that is wrong is
// no reason not to serve.
func (s *session) startTracing(program string) {
	var err error
	process := tracing.Process{Service: program, Instance: s.instance, Version: buildVersion()}
	if s.tracing, err = tracing.Start(process, os.Getenv, s.log); err != nil {
		s.log.Warn("tracing is off: " + err.Error())
	}
}

// target is the broker as a transport needs to know it, less the log.
func (e *environment) target(instance string) Target {
	t := Target{
		URL: e.broker.url, Transport: e.broker.transport, TLS: e.config.RedisTLS, Namespace: e.config.Namespace,
		ArticleServices: e.config.ArticleServices, MaxMessage: e.config.MaxMessage, MaxQueue: e.config.MaxQueue,
		Instance: instance, Version: buildVersion(),
	}
	if e.broker.transport == overHTTP {
		t.Services, t.Listen, t.Keys = e.broker.addresses, e.listenAddress(), exposed(e.config.APIKeys)
	}
	return t
}

func (a *app) openTarget(env environment, t Target) (Link, error) {
	link, err := a.open(t)
	if err != nil {
		if env.broker.transport == overHTTP {
			return Link{}, configError{fmt.Sprintf("HTTP cannot be used (from %s): %v", env.broker.source, err)}
		}
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
	b, what := s.env.broker, "broker"
	attrs = nil
	if s.overHTTP() {
		what = "no broker, services are called over HTTP"
	}
	if b.url != "" {
		attrs = append(attrs, "url", redactURL(b.url))
	}
	if len(b.addresses) > 0 {
		attrs = append(attrs, "services", showAddresses(b.addresses))
	}
	attrs = append(attrs, "from", b.source)
	if s.link.Connections != nil {
		attrs = append(attrs, "connections", s.link.Connections(serving, calling))
	}
	s.log.Info(what, attrs...)
	if s.tracing != nil {
		s.log.Info("tracing is on", "to", s.tracing.Where)
	}
}
