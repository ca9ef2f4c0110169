// Package load puts load on something that is called, and says how it bore that:
// how many calls per second, how long they took, why they failed.
//
// The load is a closed loop: a fixed number of callers, each of which waits for its
// reply before it calls again. So the rate is what the callee allows. Its flip side
// is known as coordinated omission: while the callee stalls nobody queues up, and a
// stall shows as one long call for each caller rather than as the many that an open
// stream of requests would have seen. Read the maximum, then, as well as the 99th
// percentile.
package load

import (
	"cmp"
	"context"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Plan says how hard and for how long. With neither a Window nor a number of
// Calls, Run goes on until its context ends.
type Plan struct {
	Callers int           // goroutines that call; at least one calls
	Warmup  time.Duration // calls that end in it are not counted
	Window  time.Duration // what is measured, behind the warm-up; 0: until Calls have been made
	Calls   int           // made in the window, not one more; 0: as many as fit
}

// A Report is what became of the calls of a Plan.
//
// Calls and Elapsed give the rate, and know only what ended within the window. Calls
// that were under way when it closed are waited for, because those that hang are the
// ones to hear of: they are in Late and Latency, or in Failed.
type Report struct {
	Calls   int64            // that succeeded within the window
	Late    int64            // that succeeded after it had closed
	Failed  map[string]int64 // text of the error: how often. At most maxTexts texts, the rest under Others; nil if there is none
	Elapsed time.Duration    // how long the window was in the end; shorter than planned if the context ended, or all Calls were made
	Latency Histogram        // of Calls and Late
}

// Others stands for the errors whose texts found no room in Report.Failed.
const Others = "other errors"

// maxTexts bounds the memory of errors that have a number of their own in each text.
const maxTexts = 20

// Rate returns the calls per second that succeeded within the window; 0 if there was none.
func (r *Report) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Calls) / r.Elapsed.Seconds()
}

// Failures returns how many calls failed.
func (r *Report) Failures() int64 {
	var n int64
	for _, failed := range r.Failed {
		n += failed
	}
	return n
}

// Run has the plan's callers, numbered from 0, make one call after the other. It
// returns when the plan is fulfilled or ctx has ended, and every call has returned;
// so each call needs a deadline of its own. The window ends with ctx: calls that
// fail because of that count nowhere.
func Run(ctx context.Context, p Plan, call func(ctx context.Context, caller int) error) Report {
	callers := max(p.Callers, 1)
	r := &run{plan: p, call: call, begin: time.Now()}
	r.closes.Store(math.MaxInt64)
	if p.Window > 0 {
		r.closes.Store(int64(p.Warmup + p.Window))
	}
	stop := context.AfterFunc(ctx, r.end)
	defer stop()

	// A tally each would be the fastest, but 1,024 of them are 18 MB: a heap that size
	// makes the collector run so rarely that the program under load looks better than it is.
	tallies := make([]tally, min(callers, 4*runtime.GOMAXPROCS(0)))
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { r.caller(ctx, i, &tallies[i%len(tallies)]) })
	}
	wg.Wait()
	return r.report(tallies)
}

// A run is one Run under way. Times are offsets from its begin.
type run struct {
	plan   Plan
	call   func(ctx context.Context, caller int) error
	begin  time.Time
	closes atomic.Int64 // when the window closes
	begun  atomic.Int64 // calls of plan.Calls that were begun
}

// A tally is what some of the callers have seen.
type tally struct {
	mu      sync.Mutex
	calls   int64
	late    int64
	failed  map[string]int64
	last    time.Duration // when the last call ended
	latency Histogram
}

// end closes the window now, if it is still open.
func (r *run) end() {
	now := int64(time.Since(r.begin))
	for {
		was := r.closes.Load()
		if now >= was || r.closes.CompareAndSwap(was, now) {
			return
		}
	}
}

func (r *run) caller(ctx context.Context, number int, t *tally) {
	for {
		begun := time.Since(r.begin)
		if int64(begun) >= r.closes.Load() {
			return
		}
		counts := true
		if r.plan.Calls > 0 {
			counts = begun >= r.plan.Warmup
			if counts && r.begun.Add(1) > int64(r.plan.Calls) {
				return
			}
		}
		err := r.call(ctx, number)
		ended := time.Since(r.begin)
		if err != nil && ctx.Err() != nil {
			r.end()
			return
		}
		if counts && ended >= r.plan.Warmup {
			t.add(err, begun, ended, int64(ended) > r.closes.Load())
		}
	}
}

func (t *tally) add(err error, begun, ended time.Duration, late bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = max(t.last, ended)
	switch {
	case err != nil:
		if t.failed == nil {
			t.failed = make(map[string]int64)
		}
		text := err.Error()
		if _, known := t.failed[text]; !known && len(t.failed) >= maxTexts {
			text = Others
		}
		t.failed[text]++
		return
	case late:
		t.late++
	default:
		t.calls++
	}
	t.latency.Record(ended - begun)
}

func (r *run) report(tallies []tally) Report {
	var out Report
	failed := make(map[string]int64)
	var last time.Duration
	for i := range tallies {
		t := &tallies[i]
		out.Calls += t.calls
		out.Late += t.late
		out.Latency.Merge(&t.latency)
		last = max(last, t.last)
		for text, n := range t.failed {
			failed[text] += n
		}
	}
	out.Failed = bounded(failed)
	closed := time.Duration(r.closes.Load())
	if r.plan.Calls > 0 && out.Calls+out.Late+out.Failures() >= int64(r.plan.Calls) {
		closed = min(closed, last) // all were made
	}
	out.Elapsed = max(closed-r.plan.Warmup, 0)
	return out
}

// bounded gives the most frequent texts a number of their own.
func bounded(failed map[string]int64) map[string]int64 {
	if len(failed) == 0 {
		return nil
	}
	texts := slices.SortedFunc(maps.Keys(failed), func(a, b string) int {
		return cmp.Or(cmp.Compare(failed[b], failed[a]), strings.Compare(a, b))
	})
	texts = slices.DeleteFunc(texts, func(text string) bool { return text == Others })
	out, others := make(map[string]int64), failed[Others]
	for i, text := range texts {
		if i < maxTexts {
			out[text] = failed[text]
		} else {
			others += failed[text]
		}
	}
	if others > 0 {
		out[Others] = others
	}
	return out
}
