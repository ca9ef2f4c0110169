package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrStuck is what became of a handler that was given up because it did not return
// within [Mux].Grace after its deadline. A call is answered with CodeTimeout.
var ErrStuck = fmt.Errorf("the handler does not return: %w", context.DeadlineExceeded)

// errGone is for handlers that end their goroutine instead of returning.
var errGone = errors.New("the handler ended its goroutine")

// A StuckHandler has not returned within the grace after its deadline, and still runs.
type StuckHandler struct {
	Method string
	Key    string    // idempotency key of its request; "": none
	Since  time.Time // when its grace was over
}

// Stuck returns the handlers that are stuck now, the one that has been so for the
// longest time first. Go cannot end them: each may hold memory, locks or a whole
// processor. A process that has many should make room for a fresh one.
//
// Whoever waits for a call is told CodeTimeout as soon as its handler is stuck. Two
// kinds are waited for all the same, with whatever comes with them in a batch, until
// they return or [Mux.Abandon] is called: notifications, since nobody waits for them
// and a second attempt beside the first would help nobody; and calls of a method with
// [Dedupe], whose key must stay taken while they run.
func (m *Mux) Stuck() []StuckHandler {
	m.stuck.mu.Lock()
	defer m.stuck.mu.Unlock()
	all := make([]StuckHandler, 0, len(m.stuck.since))
	for r, since := range m.stuck.since {
		all = append(all, StuckHandler{Method: r.entry.name, Key: Key(r.ctx), Since: since})
	}
	slices.SortFunc(all, func(a, b StuckHandler) int { return a.Since.Compare(b.Since) })
	return all
}

// Abandon gives up the handlers that are stuck and still waited for, and from now on
// every other as soon as it is stuck. It is for a process that is about to end because
// of them: see [Answer].Abandoned.
func (m *Mux) Abandon() {
	abandoned := m.stuck.abandoned()
	m.stuck.mu.Lock()
	defer m.stuck.mu.Unlock()
	select {
	case <-abandoned:
	default:
		close(abandoned)
	}
}

// stuckRuns are the runs of a Mux that are stuck.
type stuckRuns struct {
	mu    sync.Mutex
	since map[*run]time.Time
	end   chan struct{} // closed by Abandon; nil until somebody needs it
}

// abandoned returns what Abandon closes.
func (s *stuckRuns) abandoned() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.end = make(chan struct{})
	}
	return s.end
}

// add counts r as stuck, unless it has ended meanwhile.
func (s *stuckRuns) add(r *run) (stuck bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.over {
		return false
	}
	if s.since == nil {
		s.since = make(map[*run]time.Time)
	}
	s.since[r] = time.Now()
	r.entry.counts.stuck.Add(1)
	return true
}

// giveUp has the result of r dropped, unless it is there.
func (s *stuckRuns) giveUp(r *run) (givenUp bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.givenUp = !r.over
	return r.givenUp
}

// remove notes that r has ended, and returns whether it was stuck and its result is
// wanted.
func (s *stuckRuns) remove(r *run) (stuck, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.over = true
	if _, stuck = s.since[r]; stuck {
		delete(s.since, r)
		r.entry.counts.stuck.Add(-1)
	}
	return stuck, !r.givenUp
}

// execute runs the method that r asks for until it ends or is given up.
func (m *Mux) execute(ctx context.Context, e *entry, r *request) (json.RawMessage, error) {
	ctx = context.WithValue(ctx, entryKey{}, e)
	deadline, limited := ctx.Deadline()
	timeout := e.timeout
	if timeout == 0 && !limited {
		timeout = m.Timeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
		deadline, limited = ctx.Deadline()
	}
	if !limited || m.Grace <= 0 {
		return e.finish(ctx, r.params)
	}
	running := run{mux: m, entry: e, ctx: ctx, began: time.Now(), ended: make(chan ending, 1)}
	go running.run(r.params)
	end, stuck := running.await(deadline)
	if stuck {
		end, r.abandoned = running.outlast(r.call && e.dedupe == 0)
	}
	return end.result, end.err
}

// A run is a handler in a goroutine of its own, so that it can be given up.
type run struct {
	mux   *Mux
	entry *entry
	ctx   context.Context
	began time.Time
	ended chan ending // buffered: nobody may be there to take it

	over, givenUp bool // guarded by mux.stuck.mu
}

type ending struct {
	result json.RawMessage
	err    error
}

func (r *run) run(params json.RawMessage) {
	end := ending{err: errGone}
	defer func() {
		stuck, wanted := r.mux.stuck.remove(r)
		r.ended <- end
		if !stuck {
			return
		}
		what := "stuck handler has returned after all"
		if !wanted {
			what += "; its result is dropped"
		}
		r.mux.logger().WarnContext(r.ctx, what,
			"method", r.entry.name, "key", Key(r.ctx), "after", r.age().String(), "failed", end.err != nil)
	}()
	end.result, end.err = r.entry.finish(r.ctx, params)
}

// await returns what the handler made of it, or that it is stuck. The grace is counted
// from when this process sees that the deadline has passed, and in two halves: a
// process that was stopped meanwhile owes its handlers the time to see it, too. That
// ctx was cancelled earlier makes nobody stuck: to finish all the same is a handler's
// good right.
func (r *run) await(deadline time.Time) (end ending, stuck bool) {
	half := r.mux.Grace / 2
	for _, patience := range []time.Duration{time.Until(deadline), half, r.mux.Grace - half} {
		timer := time.NewTimer(patience)
		select {
		case end := <-r.ended:
			timer.Stop()
			return end, false
		case <-timer.C:
		}
	}
	if r.mux.stuck.add(r) {
		return ending{}, true
	}
	return <-r.ended, false
}

// outlast returns what becomes of a stuck handler. With atOnce it is given up now,
// otherwise when it has to be.
func (r *run) outlast(atOnce bool) (end ending, abandoned bool) {
	what := "handler does not return; its caller is told so"
	if !atOnce {
		what = "handler does not return; waiting for it"
	}
	r.mux.logger().ErrorContext(r.ctx, what,
		"method", r.entry.name, "key", Key(r.ctx), "after", r.age().String(), "stuck", len(r.mux.Stuck()))
	if !atOnce {
		select {
		case end := <-r.ended:
			return end, false
		case <-r.mux.stuck.abandoned():
		}
	}
	if !r.mux.stuck.giveUp(r) {
		return <-r.ended, false
	}
	return ending{err: fmt.Errorf("%w, %v after it began", ErrStuck, r.age())}, !atOnce
}

func (r *run) age() time.Duration { return time.Since(r.began).Round(time.Millisecond) }
