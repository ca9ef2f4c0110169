package runner

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// A System is what a process has around it. Main fills it from the real one;
// tests make their own. The environment is always the process's.
type System struct {
	Args    []string // like os.Args: the binary's name first
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Signals <-chan os.Signal // nil: none will come
}

// Main runs the command in os.Args and exits with its code: 0 fine, 1 the
// service answered with an error, 2 usage or configuration, 3 the journey failed
// (no broker, no such service, deadline, a worker that stalled). It is the only
// place that touches signals and os.Exit.
func Main(open Opener, programs ...Program) {
	// A worker whose log reader died before it (foreman killed with -9) must
	// finish its calls rather than be killed by its next line of log.
	signal.Ignore(syscall.SIGPIPE)

	// Platforms repeat signals; a full channel drops them, which does no harm.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	os.Exit(Execute(context.Background(), System{
		Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
	}, open, programs...))
}

// Execute runs one command and returns its exit code. The end of ctx means the
// same as a first SIGTERM.
func Execute(ctx context.Context, sys System, open Opener, programs ...Program) int {
	a := &app{sys: sys, open: open, programs: programs, name: binaryName(sys.Args)}
	if err := checkPrograms(programs); err != nil {
		return a.report(configError{err.Error()})
	}
	return a.report(a.command(ctx))
}
