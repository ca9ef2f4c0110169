// Command faults breaks things and counts what came of it: worker processes are
// killed, stopped and starved, brokers frozen, filled and cut off, while callers
// call. It says in the words that Jepsen uses what was attempted, acknowledged,
// lost, duplicated and so on, and ends with exit code 1 if any scenario did not
// hold its promise. docs/faults.md describes the scenarios.
//
//	go run . [-seed N] [-transport NAMES] [-run REGEXP] [-short] [-parallel N] [-v]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// A bench is one run of scenarios.
type bench struct {
	seed    uint64
	short   bool
	verbose bool
	binary  string // of the app
	dir     string // everything of this run
	starter *starter
	out     io.Writer
	printed sync.Mutex
}

func main() {
	if url := os.Getenv(callerVariable); url != "" {
		beCaller(url)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		code = 2
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string, out io.Writer) (code int, err error) {
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	seed := flags.Uint64("seed", 0, "what chance is made of; 0 takes a new one")
	pattern := flags.String("run", "", "only the scenarios whose names match this regular expression")
	on := flags.String("transport", "all", "only on these of redis, rabbitmq and http, separated by commas")
	short := flags.Bool("short", false, "fewer and shorter faults")
	parallel := flags.Int("parallel", 1, "how many scenarios at a time, where they do not disturb each other")
	verbose := flags.Bool("v", false, "say what is being done, and keep all logs")
	list := flags.Bool("list", false, "name the scenarios and do nothing")
	if err := flags.Parse(args); err != nil {
		return 0, err
	}
	if flags.NArg() > 0 {
		return 0, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	matches, err := regexp.Compile("^(" + *pattern + ")")
	if err != nil {
		return 0, fmt.Errorf("-run: %w", err)
	}
	carriers, err := chooseWires(*on)
	if err != nil {
		return 0, err
	}
	chosen := choose(matches, carriers, *short)
	if *list {
		return 0, describe(out, chosen)
	}
	if len(chosen) == 0 {
		return 0, errors.New("no scenario fits these flags; -list names them")
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1_000_000) + 1
	}
	b := &bench{seed: *seed, short: *short, verbose: *verbose, out: out}
	if b.dir, err = os.MkdirTemp("", "faults-"); err != nil {
		return 0, err
	}
	b.starter = newStarter()
	defer b.starter.close()
	if err := b.build(ctx); err != nil {
		return 0, err
	}
	reports := b.runAll(ctx, chosen, *parallel)
	bad := summarize(out, b, reports)
	if ctx.Err() != nil {
		return 1, os.RemoveAll(b.dir)
	}
	if bad > 0 {
		fmt.Fprintf(out, "logs and ledgers are in %s\n", b.dir)
		return 1, nil
	}
	if !b.verbose {
		return 0, os.RemoveAll(b.dir)
	}
	fmt.Fprintf(out, "logs and ledgers are in %s\n", b.dir)
	return 0, nil
}

// build compiles the app, as its user would.
func (b *bench) build(ctx context.Context) error {
	b.binary = filepath.Join(b.dir, "app")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "./app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the app (in internal/faults): %w\n%s", err, out)
	}
	return nil
}

// runAll runs those that must be alone one after the other, then the others. In the
// short form, whose limits are wide, most need not be.
func (b *bench) runAll(ctx context.Context, chosen []act, parallel int) []*report {
	reports := make([]*report, len(chosen))
	for i, a := range chosen {
		if a.scenario.alone && !b.short || a.scenario.quiet || parallel < 2 {
			reports[i] = b.runOne(ctx, a)
		}
	}
	places := make(chan struct{}, max(1, parallel))
	var running sync.WaitGroup
	for i, a := range chosen {
		if reports[i] != nil {
			continue
		}
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			reports[i] = b.runOne(ctx, a)
		})
	}
	running.Wait()
	return reports
}

func (b *bench) runOne(ctx context.Context, a act) *report {
	r := newReport(a.scenario, a.wire, b.seed)
	if ctx.Err() != nil {
		r.want(false, "interrupted")
		return r
	}
	began := time.Now()
	w := newWorld(ctx, b, r)
	w.play(a.scenario.run)
	r.took = time.Since(began)
	b.printed.Lock()
	defer b.printed.Unlock()
	r.print(b.out)
	return r
}
