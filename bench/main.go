// Command bench measures what a call costs: ours, those of a straightforward program
// with the same library (the base), and those of NATS core, side by side. Callers,
// workers and brokers are processes of their own on this machine. Rounds are interleaved:
// in each of them every system runs once, in another order each time, since on a shared
// machine only the ratios of one run mean something.
//
//	go run . [-run REGEXP] [-rounds N] [-window D] [-short] [-json FILE] [-profile DIR] [-out DIR]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/internal/children"
)

// A bench is one run.
type bench struct {
	*brokers
	short   bool
	rounds  int
	window  time.Duration
	warmup  time.Duration
	idle    time.Duration
	profile string // folder, "" for no profiles
	binary  string // this program
	app     string // that of our workers
	dir     string // everything of this run
	out     io.Writer
	parent  *children.Parent

	spawned  int
	given    map[string]bool // addresses, by freeAddress
	children []*child
	cleanups []func()
	results  results
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// tables are the scenarios that run where nothing else was said: curves take long.
const tables = `(S[123]|batch|idle|backlog/100000)/`

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	pattern := flags.String("run", "", `only what matches this regular expression at its start, as S2/redis; "." is everything, curves too (default the tables)`)
	rounds := flags.Int("rounds", 5, "how often every system runs")
	window := flags.Duration("window", time.Second, "how long each run is measured")
	short := flags.Bool("short", false, "everything once and for a moment: shows that it works, and no figures")
	file := flags.String("json", "", "write every single run to this file")
	earlier := flags.String("add", "", "report the runs in this file, of an earlier -json, as well; -run then may fit nothing")
	profile := flags.String("profile", "", "write CPU profiles of our callers and workers into this folder (go tool pprof); they cost some speed")
	plots := flags.String("out", "", "write curves into this folder, as SVG")
	list := flags.Bool("list", false, "name what would run and do nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *rounds < 1 || *window <= 0 {
		return fmt.Errorf("want no arguments (%q), at least one round and a window", flags.Args())
	}
	b := &bench{
		given:   make(map[string]bool),
		brokers: &brokers{}, out: out, short: *short, rounds: *rounds, window: *window,
		warmup: 400 * time.Millisecond, idle: 20 * time.Second, profile: *profile,
	}
	if *pattern == "" {
		*pattern = pick(*short, ".", tables)
	}
	if *short {
		b.rounds, b.window, b.warmup, b.idle = 1, 100*time.Millisecond, 50*time.Millisecond, time.Second
	}
	matches, err := regexp.Compile("^(" + *pattern + ")")
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	chosen := choose(scenarios(*short), matches)
	if *earlier != "" {
		if err := b.add(*earlier); err != nil {
			return err
		}
	}
	if len(chosen) == 0 && len(b.results) == 0 {
		return errors.New("nothing fits -run; -list names what there is")
	}
	if *list {
		for _, p := range chosen {
			for _, s := range p.systems {
				fmt.Fprintf(out, "%s/%s\t%s\n", p.scenario.name, s.name, p.scenario.what)
			}
		}
		return nil
	}
	if len(chosen) > 0 {
		if err := b.measure(ctx, chosen); err != nil {
			return err
		}
	}
	return b.report(*file, *plots)
}

// measure starts all that is needed, and ends it.
func (b *bench) measure(ctx context.Context, chosen []part) (err error) {
	if err := b.begin(); err != nil {
		return err
	}
	defer func() {
		if ctx.Err() != nil {
			err = errInterrupted // whatever else it was, that is why
		}
		err = errors.Join(err, b.end(err != nil && ctx.Err() == nil))
	}()
	if err := b.build(ctx); err != nil {
		return err
	}
	return b.runAll(ctx, chosen)
}

// A part is a scenario and the systems that were chosen for it.
type part struct {
	scenario scenario
	systems  []*system
}

func choose(all []scenario, matches *regexp.Regexp) (chosen []part) {
	for _, sc := range all {
		var some []*system
		for _, s := range systems() {
			if sc.systems(s) && matches.MatchString(sc.name+"/"+s.name) {
				some = append(some, s)
			}
		}
		if len(some) > 0 {
			chosen = append(chosen, part{sc, some})
		}
	}
	return chosen
}

func (b *bench) begin() (err error) {
	if b.binary, err = os.Executable(); err != nil {
		return err
	}
	if b.profile != "" {
		if b.profile, err = filepath.Abs(b.profile); err != nil {
			return err
		}
		if err := os.MkdirAll(b.profile, 0o750); err != nil {
			return err
		}
	}
	if b.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	b.parent = children.NewParent()
	return nil
}

// end ends whatever was started. Logs stay where something went wrong.
func (b *bench) end(failed bool) error {
	b.stopAll(slices.Clone(b.children))
	for _, do := range slices.Backward(b.cleanups) {
		do()
	}
	b.parent.Close()
	if failed {
		fmt.Fprintf(os.Stderr, "bench: logs are in %s\n", b.dir)
		return nil
	}
	return os.RemoveAll(b.dir)
}

// say tells what is being done, beside the report.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// runAll runs rounds of one scenario after the other.
func (b *bench) runAll(ctx context.Context, chosen []part) error {
	for _, p := range chosen {
		rounds := pick(p.scenario.kind == idle, 1, b.rounds)
		for round := range rounds {
			for i := range p.systems {
				s := p.systems[(i+round)%len(p.systems)]
				found, err := b.once(ctx, p.scenario, s)
				if err != nil {
					return fmt.Errorf("%s/%s: %w", p.scenario.name, s.name, err)
				}
				b.say("%s/%s round %d: %s/s", p.scenario.name, s.name, round+1, thousands(int64(found.rate())))
				b.results = append(b.results, sample{p.scenario.name, s.name, round, found})
			}
		}
	}
	return nil
}

// once runs a system in a scenario, with processes that are new.
func (b *bench) once(ctx context.Context, sc scenario, s *system) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	url, pids, err := b.need(ctx, s.carrier)
	if err != nil {
		return outcome{}, err
	}
	r := &oneRun{bench: b, scenario: sc, system: s, broker: pids, target: target{
		URLs: []string{url}, Callers: sc.callers, Work: work{sc.payload},
	}}
	defer func() { b.stopAll(r.workers) }()
	var found outcome
	switch sc.kind {
	case drain:
		found, err = r.drain(ctx)
	case idle:
		found, err = r.idle(ctx)
	default:
		found, err = r.calls(ctx)
	}
	if err != nil {
		return found, err
	}
	b.stopAll(r.workers)
	return found, b.sweep(ctx, s.carrier)
}
