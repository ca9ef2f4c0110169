package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/internal/devbroker"
	"github.com/journeyman-go/journeyman/internal/foreman"
	"github.com/journeyman-go/journeyman/internal/procfile"
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
	p := plan{procfile: c.String("procfile"), formation: c.String("formation"), port: env.config.Port}
	if c.IsSet("port") {
		p.port = c.Int("port")
	}
	gateway, err := p.check(a.name)
	if err != nil {
		return err
	}
	if other := readStartFile("."); other != nil {
		return usagef("%s start already runs in this folder, as process %d; stop it first", a.name, other.PID)
	}

	ctx, cancel := context.WithCancelCause(c.Context)
	defer cancel(nil)
	file := startFile{PID: os.Getpid()}
	if env.broker.source == "default" { // nobody set one
		b, err := devbroker.Start(ctx, stateDir)
		if err != nil {
			return fmt.Errorf("start a broker: %w", err)
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		go watch(ctx, b, cancel)
		file.URL = b.URL
		log.Info(fmt.Sprintf("broker: %s at %s", b.Description, b.URL))
	} else {
		log.Info(fmt.Sprintf("broker: the one that %s names, %s", env.broker.source, redactURL(env.broker.url)))
	}
	if err := file.write("."); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeStartFile(".")) }()
	if gateway != "" {
		log.Info("gateway: " + gateway)
	}

	hurry := a.stopOnSignal(ctx, cancel, log)
	err = foreman.Run(ctx, foreman.Options{
		Procfile: p.procfile, Formation: p.formation, BasePort: p.port,
		Env: a.childEnv(file.URL), Out: a.sys.Stdout, Color: a.colour(), Hurry: hurry,
		// A child needs its own drain and its hard stop before it may be killed.
		Grace: env.config.Drain + closeGrace + time.Second,
		Log:   func(line string) { log.Info(line) },
	})
	if err != nil {
		return configError{err.Error()} // a command that is not there
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

// A plan is what the flags of start ask for.
type plan struct {
	procfile, formation string
	port                int
}

// check finds what cannot be run, before anything was started, and tells where
// the gateway will listen; "" without one.
func (p plan) check(binary string) (gateway string, err error) {
	f, err := os.Open(p.procfile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", usagef("there is no %s here; write one with a line for each process, such as: web: %s web", p.procfile, binary)
	case err != nil:
		return "", usagef("open Procfile: %v", err)
	}
	defer f.Close()
	entries, err := procfile.Parse(f)
	if err != nil {
		return "", usagef("%s: %v", p.procfile, err)
	}
	counts, err := procfile.Scale(entries, p.formation)
	if err != nil {
		return "", usagef("%v", err)
	}
	if last := p.port + 100*len(entries); p.port < 1 || last > 65536 {
		return "", usagef("the first port is %d, and %d process types need 100 each from 1 to 65535", p.port, len(entries))
	}
	for i, e := range entries {
		if e.Name == "web" && counts[i] > 0 {
			gateway = fmt.Sprintf("http://localhost:%d", p.port+100*i)
		}
	}
	return gateway, nil
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
// binary first on PATH, the private broker, and colour where it will be seen.
func (a *app) childEnv(url string) []string {
	env := os.Environ()
	if exe, err := os.Executable(); err == nil {
		env = append(env, "PATH="+filepath.Dir(exe)+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if url != "" {
		env = append(env, "JOURNEYMAN_URL="+url)
	}
	if a.colour() {
		env = append(env, "FORCE_COLOR=1")
	}
	return env
}

func (a *app) colour() bool {
	return os.Getenv("NO_COLOR") == "" && (isTerminal(a.sys.Stdout) || forced(os.Getenv))
}
