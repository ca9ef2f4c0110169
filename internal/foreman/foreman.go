// Package foreman runs every entry of a Procfile on this machine, each instance a
// process of its own, the way ddollar's foreman does: the same ports, the same
// PS, the same prefixed output. Unlike it, one process that ends takes no other
// with it: it is started again, as on the platforms.
package foreman

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/internal/children"
	"github.com/journeyman-go/journeyman/internal/procfile"
)

const (
	defaultBasePort = 5000
	defaultGrace    = 5 * time.Second // foreman's own
	portsPerType    = 100
	release         = "release" // an entry that platforms run once for each deploy
)

// Options say what to run and how to stop it. The zero value runs ./Procfile.
type Options struct {
	Procfile  string   // path, taken from Dir unless absolute; "" means Procfile
	Formation string   // as procfile.Scale reads it, e.g. "web=1,calculator=2"
	Dir       string   // where the processes run; "" means here
	Env       []string // the whole environment of the processes, less PORT and PS; nil means this process's
	BasePort  int      // the first port; 0 means 5000

	Out   io.Writer // takes all output, one Write for one or more whole lines; nil discards it
	Color bool      // colours the prefixes

	// Grace is how long processes may take to stop before they are killed; 0 means 5 s.
	Grace time.Duration
	// Hurry, once closed, ends the grace: what is still stopping is killed.
	Hurry <-chan struct{}

	// Fatal, if set, is asked when the first run of a process ends soon with an exit
	// status other than 0: an error says that starting it again would not help, and
	// ends the run of all. lastLine is the last that the process wrote.
	Fatal func(command string, status int, lastLine string) error

	// Log takes sentences about the run as a whole; those about one process stand
	// in its output. nil: they stand in the output as well, under "system".
	Log func(string)

	pace *pace // nil: realPace
}

// Run runs the formation until ctx ends; then it asks every process group at once
// to stop (SIGTERM), kills after Grace what has not, and returns nil when nothing
// is left of any of them. It returns an error at once for a Procfile or a
// formation that cannot be run, and, after stopping all, for a command that the
// shell cannot find, or that is Fatal, when it is first started. Entries named
// release are left out: platforms run them once for each deploy.
func Run(ctx context.Context, o Options) error {
	o = withDefaults(o)
	entries, counts, err := o.plan()
	if err != nil {
		return err
	}
	processes, printer := o.processes(entries, counts)
	if len(processes) == 0 {
		return fmt.Errorf("formation %q leaves nothing of %s to run", o.Formation, o.Procfile)
	}
	if o.Log == nil {
		o.Log = printer.say("system", "")
	}

	if slices.ContainsFunc(entries, func(e procfile.Entry) bool { return e.Name == release }) {
		o.Log("release is not run here; platforms run it once for each deploy")
	}

	parent := children.NewParent()
	defer parent.Close() // last: it is what children die with
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		running sync.WaitGroup
		faults  = make(chan error, len(processes))
	)
	running.Go(func() {
		<-ctx.Done()
		o.Log("stopping all processes")
	})
	for _, p := range processes {
		running.Go(func() {
			if err := p.supervise(ctx, parent); err != nil {
				faults <- err
				stop()
			}
		})
	}
	running.Wait()
	close(faults)
	return <-faults // the first, or nil
}

func withDefaults(o Options) Options {
	if o.Procfile == "" {
		o.Procfile = "Procfile"
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	if o.BasePort == 0 {
		o.BasePort = defaultBasePort
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.pace == nil {
		o.pace = &realPace
	}
	return o
}

// plan reads the Procfile and decides how many of each entry there are to be.
func (o Options) plan() ([]procfile.Entry, []int, error) {
	path := o.Procfile
	if !filepath.IsAbs(path) {
		path = filepath.Join(o.Dir, path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open Procfile: %w", err)
	}
	defer file.Close()
	entries, err := procfile.Parse(file)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	counts, err := procfile.Scale(entries, o.Formation)
	if err != nil {
		return nil, nil, err
	}
	for i, e := range entries {
		if e.Name == release {
			counts[i] = 0 // its hundred of ports stays its own, as in foreman
		}
	}
	if last := o.BasePort + portsPerType*len(entries) - 1; o.BasePort < 1 || last > 65535 {
		return nil, nil, fmt.Errorf("base port %d: %d process types need ports from 1 to 65535", o.BasePort, len(entries))
	}
	return entries, counts, nil
}

// processes makes one process for each instance, and the printer they share.
func (o Options) processes(entries []procfile.Entry, counts []int) ([]*process, *printer) {
	printer := &printer{out: o.Out, now: time.Now, width: len("system")}
	var all []*process
	for i, e := range entries {
		for n := range counts[i] {
			name := fmt.Sprintf("%s.%d", e.Name, n+1)
			port := o.BasePort + portsPerType*i + n
			env := append(slices.Clip(o.Env), fmt.Sprint("PORT=", port), "PS="+name)
			color := ""
			if o.Color {
				color = colors[len(all)%len(colors)]
			}
			all = append(all, &process{
				name: name, command: e.Command, where: fmt.Sprintf("%s line %d", o.Procfile, e.Line),
				dir: o.Dir, env: env, port: port,
				grace: o.Grace, hurry: o.Hurry, pace: *o.pace,
				out: printer, color: color, fatal: o.Fatal,
			})
			printer.width = max(printer.width, len(name))
		}
	}
	return all, printer
}
