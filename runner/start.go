package runner

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/internal/devbroker"
	"github.com/journeyman-go/journeyman/internal/foreman"
)

// start runs every entry of a Procfile on this machine, and a broker if none is
// set, until it is told to stop.
func (a *app) start(c *cli.Context, _ []string) (err error) {
	env, err := a.environment(true)
	if err != nil {
		return err
	}
	log := newLogger(a.sys.Stdout, env.config, env.config.LogLevel, os.Getenv)
	for _, w := range env.warnings {
		log.Warn(w)
	}
	if err := a.try(env); err != nil {
		return err
	}
	p := plan{procfile: c.String("procfile"), formation: c.String("formation"), port: env.config.Port, portFrom: "PORT"}
	if c.IsSet("port") {
		p.port, p.portFrom = c.Int("port"), "--port"
	}
	servers, unserved, err := p.check(a.name, a.names(), env.broker.transport == overHTTP)
	if err != nil {
		return err
	}
	if other := readStartFile("."); other != nil {
		return usagef("%s start already runs in this folder, as process %d; stop it first", a.name, other.PID)
	}
	addresses, err := p.addresses(env, servers)
	if err != nil {
		return err
	}
	if err := p.probe(env, servers); err != nil {
		return err
	}

	if env.broker.source == "default" || env.broker.transport == overHTTP { // else they may run elsewhere
		for _, name := range unserved {
			log.Warn(fmt.Sprintf("no line of the %s runs %s, so calls to it find nobody; add the line %q", filepath.Base(p.procfile), name, name+": "+a.name+" serve "+name))
		}
	}

	ctx, cancel := context.WithCancelCause(c.Context)
	defer cancel(nil)
	file := startFile{PID: os.Getpid(), Services: servicesVariable(addresses)}
	switch {
	case env.broker.transport == overHTTP:
		log.Info("no broker, services are called over HTTP: " + cmp.Or(file.Services, "none of them runs here"))
	case env.broker.source == "default": // nobody set one
		b, err := devbroker.Start(ctx, stateDir)
		if err != nil {
			return fmt.Errorf("start a broker: %w", err)
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		go watch(ctx, b, cancel)
		file.URL = b.URL
		log.Info(fmt.Sprintf("broker: %s at %s", b.Description, b.URL))
	default:
		log.Info(fmt.Sprintf("broker: the one that %s names, %s", env.broker.source, redactURL(env.broker.url)))
	}
	remove, err := file.write(".")
	if errors.Is(err, errStartRuns) {
		return usagef("%s start already runs in this folder; stop it first", a.name)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if i := slices.IndexFunc(servers, func(s server) bool { return s.service == "" }); i >= 0 {
		log.Info(fmt.Sprintf("gateway: http://localhost:%d", servers[i].port))
	}

	hurry := a.stopOnSignal(ctx, cancel, log)
	err = foreman.Run(ctx, foreman.Options{
		Procfile: p.procfile, Formation: p.formation, BasePort: p.port,
		Env: a.childEnv(env.broker, file.URL, addresses), Out: a.sys.Stdout, Color: a.colour(), Hurry: hurry,
		// A child needs its own drain and its hard stop before it may be killed.
		Grace: env.config.Drain + closeGrace + time.Second,
		Log:   func(line string) { log.Info(line) },
		Fatal: a.misconfigured,
	})
	log.Info("stopped")
	if err != nil {
		return configError{err.Error()} // a command that is not there, or cannot work as it is configured
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// watch ends everything when the private broker ends by itself: what was in it is
// gone, and the processes would wait for it in vain.
func watch(ctx context.Context, b *devbroker.Broker, cancel context.CancelCauseFunc) {
	select {
	case <-b.Done():
		cancel(fmt.Errorf("the broker at %s ended by itself: %w", b.URL, b.Err()))
	case <-ctx.Done():
	}
}

// misconfigured tells from its exit code that a command of this binary cannot work
// until somebody changes its configuration. Other programs mean other things by 2.
func (a *app) misconfigured(command string, status int, lastLine string) error {
	words := strings.Fields(command)
	for i, word := range words[:max(0, len(words)-1)] {
		next := words[i+1]
		if status == exitUsage && filepath.Base(word) == a.name && (next == "serve" || next == "web") {
			return errors.New(cmp.Or(strings.TrimPrefix(lastLine, a.name+": "), "wrong usage or configuration (exit status 2)"))
		}
	}
	return nil
}

// stopOnSignal cancels at the first signal. The returned channel is closed by a
// Ctrl-C at a terminal that comes insist later, or more.
func (a *app) stopOnSignal(ctx context.Context, cancel context.CancelCauseFunc, log *slog.Logger) <-chan struct{} {
	hurry := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			return
		case s := <-a.sys.Signals:
			log.Info("stopping", "signal", s.String())
			cancel(nil)
		}
		// Until the process ends: that is what they are waiting for.
		began := time.Now()
		for s := range a.sys.Signals {
			if s == os.Interrupt && isTerminal(a.sys.Stdin) && time.Since(began) >= insist {
				close(hurry)
				return
			}
		}
	}()
	return hurry
}

// childEnv is what the processes see beyond this one's environment: this very
// binary first on PATH, the private broker or the addresses of each other, and colour
// where it will be seen.
func (a *app) childEnv(b broker, url string, addresses map[string]string) []string {
	env := os.Environ()
	if exe, err := os.Executable(); err == nil {
		env = append(env, "PATH="+filepath.Dir(exe)+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if url != "" {
		env = append(env, "JOURNEYMAN_URL="+url)
	}
	if os.Getenv("JOURNEYMAN_PRINCIPAL_KEYS") == "" { // so that services learn who calls, as they do when deployed
		env = append(env, "JOURNEYMAN_PRINCIPAL_KEYS="+rand.Text()+rand.Text())
	}
	if b.transport == overHTTP {
		all := maps.Clone(addresses)
		maps.Copy(all, b.addresses)
		env = append(env, "JOURNEYMAN_SERVICES="+servicesVariable(all))
	}
	if a.colour() {
		env = append(env, "FORCE_COLOR=1")
	}
	return env
}

func (a *app) colour() bool {
	return os.Getenv("NO_COLOR") == "" && (isTerminal(a.sys.Stdout) || forced(os.Getenv))
}
