package foreman

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"github.com/journeyman-go/journeyman/internal/children"
)

// A pace says how fast a process that ends is started again: after first, then
// twice as long each time up to most, and from first again once it has run for
// steady.
type pace struct{ first, most, steady time.Duration }

var realPace = pace{first: time.Second, most: 30 * time.Second, steady: 30 * time.Second}

// A process is one instance of an entry, through all its restarts.
type process struct {
	name    string // e.g. web.1
	command string
	where   string // e.g. Procfile line 3
	dir     string
	env     []string
	port    int

	grace time.Duration
	hurry <-chan struct{}
	pace  pace

	out   *printer
	color string
	fatal func(command string, status int, lastLine string) error // may be nil
}

// supervise starts the process, and again whenever it ends, until ctx ends and it
// is gone. It returns an error for a command that could not be run when it was
// first started, or that fatal gives up: that is a mistake in the Procfile, on PATH
// or in its settings, and starting it again would not help. Later it may help: programs are missing for a moment
// while they are built.
func (p *process) supervise(ctx context.Context, parent *children.Parent) error {
	wait := p.pace.first
	for first := true; ; first = false {
		began := time.Now()
		status, lastLine, err := p.run(ctx, parent)
		if ctx.Err() != nil {
			return nil
		}
		steady := time.Since(began) > p.pace.steady
		if steady {
			wait = p.pace.first
		}
		hopeless := p.unrunnable(status, err)
		if hopeless == nil && p.fatal != nil && status != 0 && !steady {
			hopeless = p.fatal(p.command, status, lastLine)
		}
		if first && hopeless != nil {
			return fmt.Errorf("%s (%s): %w", p.name, p.where, hopeless)
		}
		// Processes that fell together, say with their broker, should not rise together.
		pause := wait + rand.N(wait/4+1)
		wait = min(2*wait, p.pace.most)

		what := "ended by itself with exit status 0, and should go on working"
		if err != nil {
			what = fmt.Sprintf("crashed (%v)", err)
		}
		p.say("%s; starting it again in %s", what, pause.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// unrunnable returns an error if run's results say that the command never ran.
func (p *process) unrunnable(status int, err error) error {
	switch status { // 126 and 127 are what every POSIX shell answers then
	case notStarted:
		return err
	case 126:
		return fmt.Errorf("%q: command cannot be executed; has it the permission? (exit status 126)", p.command)
	case 127:
		return fmt.Errorf("%q: command not found; is it built, and on PATH? (exit status 127)", p.command)
	}
	return nil
}

const notStarted = -2 // a status that os/exec does not use

// run starts the command once and returns when its process group is gone: with
// the exit status of the shell, or notStarted, and unless that is 0 an error that
// describes it.
func (p *process) run(ctx context.Context, parent *children.Parent) (status int, lastLine string, err error) {
	if ctx.Err() != nil {
		return 0, "", ctx.Err()
	}
	r, w, err := os.Pipe()
	if err != nil {
		return notStarted, "", fmt.Errorf("make a pipe: %w", err)
	}
	defer r.Close()

	// A shell is the platforms' way, and understands A=1 b && c. Signals go to the
	// group, so they reach the real process whatever the shell makes of it.
	cmd := exec.Command("sh", "-c", inPlace(p.command))
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.Stdout, cmd.Stderr = w, w // one pipe: their order is kept
	err = parent.Start(cmd)
	_ = w.Close()
	if err != nil {
		return notStarted, "", fmt.Errorf("start %q: %w", p.command, err)
	}
	p.say("started with pid %d, PORT=%d", cmd.Process.Pid, p.port)

	copied := make(chan struct{})
	go func() {
		defer close(copied)
		lastLine = p.out.copy(p.name, p.color, r)
	}()
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()

	err = p.await(ctx, cmd, exited)
	_ = r.SetReadDeadline(time.Now().Add(lastWords))
	<-copied
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), lastLine, err
	}
	return 0, lastLine, err
}

func (p *process) say(format string, args ...any) {
	p.out.line(p.name, p.color, fmt.Appendf(nil, format, args...))
}
