package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// service is the name of the app's one service.
const service = "work"

// lease is how long a worker may be silent before it counts as dead, and beat how
// often it speaks; see redislist's timing.
const (
	lease = 8 * time.Second
	beat  = 2 * time.Second
)

// A world is what one scenario plays in: a broker of its own, workers and callers.
type world struct {
	*report
	bench   *bench
	ctx     context.Context
	chance  *rand.Rand // for the scenario's own goroutine
	dir     string
	ledger  *ledger
	effects string
	wire    *wire
	broker  broker
	url     string // by which workers started from now on reach the broker

	callersDie bool // so that replies are left for nobody, until the broker forgets them

	mu       sync.Mutex // guards what follows
	starts   int
	workers  []*worker
	callers  []transports.Transport
	cleanups []func()
	peak     map[string]int64 // most memory by kind of process, bytes
}

// halt is panicked with by what makes it useless to go on with a scenario.
type halt struct{ why string }

func newWorld(ctx context.Context, b *bench, r *report) *world {
	s := r.scenario
	return &world{
		report: r, bench: b, ctx: ctx, wire: r.wire, peak: map[string]int64{},
		chance: rand.New(rand.NewPCG(b.seed, uint64(len(s.name))<<32+uint64(s.name[0]))),
		dir:    filepath.Join(b.dir, r.wire.name+"-"+s.name),
	}
}

// play runs a scenario and ends whatever it started.
func (w *world) play(scene func(*world)) {
	ctx, cancel := context.WithCancel(w.labelled())
	w.ctx = ctx
	defer func() {
		if v := recover(); v != nil {
			h, ok := v.(halt)
			if !ok {
				h.why = fmt.Sprintf("panic: %v\n%s", v, debug.Stack())
			}
			w.want(false, "%s", h.why)
		}
		cancel()
		w.clean()
	}()
	w.effects = filepath.Join(w.dir, "effects")
	w.must(os.MkdirAll(w.effects, 0o700))
	w.ledger = newLedger(filepath.Join(w.dir, "ledger"))
	go w.watchMemory()
	scene(w)
}

func (w *world) clean() {
	w.mu.Lock()
	workers, callers, cleanups := w.workers, w.callers, w.cleanups
	w.mu.Unlock()
	for _, p := range workers {
		p.signal(syscall.SIGKILL)
		<-p.done
	}
	for _, c := range callers {
		_ = c.Close()
	}
	w.nothingRuns()
	for _, do := range slices.Backward(cleanups) {
		do()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.figure("peak memory", fmt.Sprintf("worker %d MiB, broker %d MiB, callers %d MiB",
		w.peak["worker"]>>20, w.peak["broker"]>>20, memory(os.Getpid())>>20))
}

func (w *world) cleanup(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cleanups = append(w.cleanups, do)
}

// must gives the scenario up for an error that is not its subject.
func (w *world) must(err error) {
	if err != nil {
		panic(halt{err.Error()})
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// say tells what is being done to whoever wants to know.
func (w *world) say(format string, args ...any) {
	if !w.bench.verbose {
		return
	}
	w.bench.printed.Lock()
	defer w.bench.printed.Unlock()
	fmt.Fprintf(w.bench.out, "%s %s: %s\n", time.Now().Format("15:04:05.000"), w.name(), fmt.Sprintf(format, args...))
}

// sleep lets time pass, as the faults of a scenario have their time.
func (w *world) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ctx.Done():
		panic(halt{"interrupted"})
	}
}

// until waits for a condition and reports whether it came true within the limit.
func (w *world) until(limit time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); !ok(); w.sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// eventually gives the scenario up where a condition does not come true.
func (w *world) eventually(limit time.Duration, what string, ok func() bool) {
	if !w.until(limit, ok) {
		panic(halt{fmt.Sprintf("waited %v for %s", limit, what)})
	}
}

// pick is short in a short run and long otherwise.
func pick[T any](w *world, short, long T) T {
	if w.bench.short {
		return short
	}
	return long
}

// within returns a limit on time as the run can keep it: the short form runs on build
// servers, scenario beside scenario, and must not fail because they are slow.
func (w *world) within(limit time.Duration) time.Duration { return pick(w, 3*limit, limit) }

// alive returns the workers that have not ended.
func (w *world) alive() (alive []*worker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.workers {
		if p.alive() {
			alive = append(alive, p)
		}
	}
	return alive
}

func (w *world) watchMemory() {
	for ticker := time.NewTicker(250 * time.Millisecond); ; {
		select {
		case <-w.ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
		for _, p := range w.alive() {
			w.notePeak("worker", memory(p.pid()))
		}
		if b := w.broker; b != nil && b.pid() > 0 {
			w.notePeak("broker", memory(b.pid()))
		}
	}
}

func (w *world) notePeak(kind string, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak[kind] = max(w.peak[kind], bytes)
}

// stopAll ends all workers by SIGTERM and wants each of them to end well.
func (w *world) stopAll(limit time.Duration) {
	var longest time.Duration
	var stopping sync.WaitGroup
	var bad []error
	var mu sync.Mutex
	for _, p := range w.alive() {
		stopping.Go(func() {
			code, took := p.stop(limit)
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, took)
			if code != 0 {
				bad = append(bad, fmt.Errorf("%s ended with %d", p.name, code))
			}
		})
	}
	stopping.Wait()
	w.want(len(bad) == 0, "at the end: %v", errors.Join(bad...))
}

// finish wants the broker to be as if nothing had happened, ends all workers by
// SIGTERM and wants that of the broker once more.
func (w *world) finish() {
	alive := len(w.alive())
	if !w.until(40*time.Second, func() bool { return w.broker.misfits(alive) == "" }) {
		w.want(false, "with %d workers: %s", alive, w.broker.misfits(alive))
	}
	w.stopAll(15 * time.Second)
	w.until(5*time.Second, func() bool { return len(w.broker.leftovers()) == 0 })
	w.want(len(w.broker.leftovers()) == 0, "left in the broker for ever: %v", w.broker.leftovers())
}

// logged counts the lines of all workers' logs that hold the text.
func (w *world) logged(text string) (lines int) {
	w.mu.Lock()
	workers := w.workers
	w.mu.Unlock()
	for _, p := range workers {
		lines += strings.Count(p.text(), text)
	}
	return lines
}

// What workers log when somebody was declared dead.
const (
	tookOver = "took over from dead workers"
	fenced   = "declared dead"
)

// nobodyReaped wants no worker to have been declared dead, where one can be that lives.
func (w *world) nobodyReaped() {
	if !w.wire.leases {
		return
	}
	n := w.logged(tookOver) + w.logged(fenced)
	w.figure("declared dead", n)
	w.zero("workers declared dead", n)
}
