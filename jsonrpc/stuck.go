package jsonrpc

import (
	"context"
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
		all = append(all, StuckHandler{Method: r.entry.name, Key: Key(r), Since: since})
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
