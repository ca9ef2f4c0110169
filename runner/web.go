package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/transports"
)

// web runs the HTTP gateway until it is told to stop.
func (a *app) web(c *cli.Context, _ []string) error {
	s, err := a.session("web", true)
	if err != nil {
		return err
	}
	defer s.tracing.Stop()
	if b := s.env.broker; s.overHTTP() && b.url == "" && len(b.addresses) == 0 {
		s.transport.Close()
		return configError{fmt.Sprintf("web has no service to pass calls to; set JOURNEYMAN_SERVICES to calculator=http://host:8080 and so on, or JOURNEYMAN_URL to one address with %s in it", placeholder)}
	}
	auth, tokens, err := s.env.config.authenticator(s.log)
	if err != nil {
		s.transport.Close()
		return configError{err.Error()}
	}
	listener, err := net.Listen("tcp", s.env.listenAddress())
	if err != nil {
		s.transport.Close()
		return configError{fmt.Sprintf("web cannot listen: %v; set PORT to a free port (on a Mac, AirPlay holds 5000)", err)}
	}

	refuse := s.env.refusal()
	var stopping atomic.Bool
	draining := make(chan struct{})
	g := &gate{handler: s.tracing.Handler(gateway.New(gateway.Options{
		Caller: s.tracing.Caller(s.transport),
		Ready: func(ctx context.Context) error {
			if stopping.Load() {
				return errors.New("stopping")
			}
			if err := tokens.Ready(); err != nil {
				return err
			}
			return s.reachable(ctx)
		},
		Auth:          auth,
		Refuse:        refuse,
		PrincipalKeys: exposed(s.env.config.PrincipalKeys),
		Rate:          s.env.config.RateLimit,
		Hosts:         s.env.config.Hosts,
		Origins:       s.env.config.Origins,
		Allowed:       s.env.config.allowed(),
		PublicApps:    s.env.config.PublicApps,
		Routed:        s.env.platform.name != "",

		MaxBody:  int64(min(s.env.config.MaxBody, s.env.config.MaxMessage)),
		MaxBatch: s.env.config.MaxBatch,
		Timeout:  s.env.config.Timeout,
		Log:      s.log,

		AsyncTimeout: s.env.config.AsyncTimeout,
		AsyncKeep:    s.env.config.AsyncKeep,
		Draining:     draining,

		Services: a.names(), Version: buildVersion(),
		HireFireToken: string(s.env.config.HirefireToken), HireFireSize: s.env.config.HirefireMetric == "size",
	}), gateway.Route)}
	server := gateway.Server("", g)
	server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)

	s.hello(false, true, "listening", "http://"+listener.Addr().String())
	if refuse != "" {
		s.log.Warn(refuse)
	}
	if warning := s.env.config.unsigned(); warning != "" {
		s.log.Warn(warning)
	}
	return s.refused(a.lifecycle(s).run(c.Context, work{
		running: g.running.Load,
		stop: func() {
			stopping.Store(true)
			close(draining)
		},
		close: func() error { return errors.Join(server.Close(), s.transport.Close()) },
		run: s.besideBroker(func(taking context.Context) error {
			return beside(taking, tokens.Run, func() error { return serveHTTP(taking, server, listener) })
		}),
	}))
}

// allowed lists what may be called of services whose workers speak the article's wire.
func (c *Config) allowed() map[string][]string {
	allowed := make(map[string][]string, len(c.ArticleServices))
	for _, name := range c.ArticleServices {
		allowed[name] = nil
	}
	for _, name := range c.ArticleMethods {
		service, method, _ := strings.Cut(name, ".")
		allowed[service] = append(allowed[service], method)
	}
	return allowed
}

// serveHTTP serves until ctx ends, then finishes the requests in hand.
func serveHTTP(ctx context.Context, server *http.Server, listener net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	// Without a deadline: the lifecycle has the clock, and Close ends this too.
	err := server.Shutdown(context.WithoutCancel(ctx))
	<-served
	return err
}

// reachable is what readiness means for the gateway.
func (s *session) reachable(ctx context.Context) error {
	if p, ok := s.transport.(transports.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

// A gate counts the requests in hand.
type gate struct {
	handler http.Handler
	running atomic.Int64
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.running.Add(1)
	defer g.running.Add(-1)
	g.handler.ServeHTTP(w, r)
}

// listenAddress is where the gateway listens, and over HTTP a service: everywhere on a
// platform, whose router must reach it, and nowhere but here on somebody's own machine.
func (e *environment) listenAddress() string {
	host := e.config.Bind
	if host == "" && e.platform.name == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(e.config.Port))
}
