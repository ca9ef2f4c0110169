package redislist

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"github.com/journeyman-go/journeyman/internal/lifetime"
	"github.com/journeyman-go/journeyman/transports"
)

// putBack returns a message that arrived after this process stopped taking. It was
// never begun, so nothing is noted on it.
func (s *server) putBack(w *worker, e *entry) {
	if w.end(e) {
		s.settle(w, &settlement{entry: e, action: actReturn, next: e.raw})
	}
}

// Who holds what: the fetcher acquires a slot before it asks for a message, and what it
// takes has that slot. An entry that is to be begun, by begin or by taking.handle,
// counts among the handlers as well. vacate gives both back, once: as soon as it is
// decided what becomes of the message, before the broker knows. From then on the message
// is that of commands, or of the next move, until settled has its word.

// A job is a message whose handler is to run, or the search for such messages.
type job struct {
	worker *worker
	entry  *entry
	taking *taking
}

// do does a job of the pool's.
func (s *server) do(j job) {
	if j.taking == nil {
		s.runHandler(j.worker, j.entry)
		return
	}
	for {
		if e := j.taking.run(); e == nil || !j.taking.handle(e) {
			return
		}
	}
}

// begin has the handler of a message that holds a slot run.
func (s *server) begin(w *worker, e *entry) {
	s.handlers.Add(1)
	s.pool.Do(job{worker: w, entry: e})
}

// An attempt is a message in the hands of its handler, and the handler's context.
type attempt struct {
	lifetime.Context
	server *server
	worker *worker
	entry  *entry      // nil once it is settled: a handler may keep its context, and should not keep the message
	lent   atomic.Bool // the Settler was asked for
	taking *taking     // that the handler may hold up, and the entry's order there
	order  uint64
}

// runHandler takes a message from its slot to its settlement.
func (s *server) runHandler(w *worker, e *entry) {
	a := &attempt{server: s, worker: w, entry: e, taking: e.taking, order: e.order}
	e.began = s.clock.now()
	m := s.localized(e.frame.Message)
	a.Init(s.values, m.Expires)
	defer a.Release()
	if !w.begin(e, &a.Context) {
		s.vacate(w, e)
		return
	}
	if instead := s.insteadOf(a, m); instead != nil {
		s.conclude(w, instead)
		return
	}
	s.call(a, m)
}

// Done implements context.Context. Whoever asks for it is about to wait.
func (a *attempt) Done() <-chan struct{} {
	if a.taking != nil {
		a.taking.handOver(a.order)
	}
	return a.Context.Done()
}

// Value implements context.Context.
func (a *attempt) Value(key any) any {
	if key == (transports.SettlerKey{}) {
		a.lent.Store(true)
		return transports.Settler(a)
	}
	return a.Context.Value(key)
}

// Settle implements transports.Settler.
func (a *attempt) Settle(o transports.Outcome) {
	if e := a.decide(); e != nil {
		a.server.conclude(a.worker, a.server.settlementOf(e, o))
	}
}

// decide returns the message to the first who asks, and then nil.
func (a *attempt) decide() *entry {
	a.worker.mu.Lock()
	defer a.worker.mu.Unlock()
	e := a.entry
	a.entry = nil
	return e
}

// vacate frees what a message's handler held.
func (s *server) vacate(w *worker, e *entry) {
	<-s.slots
	if e.cautious {
		<-s.cautious
		if w.heard().suspects > 0 {
			w.stir()
		}
	}
	s.handlers.Done()
}

// conclude settles a message that is in the hands of its handler. It may wait for the
// broker, as long as that stands still.
func (s *server) conclude(w *worker, out *settlement) {
	if t := out.entry.taking; t != nil {
		t.note(s.clock.now().Sub(out.entry.began))
	}
	if !w.end(out.entry) {
		// Given back or fenced: the result is somebody else's to give.
		s.stats.notMine.Add(1)
		s.vacate(w, out.entry)
		return
	}
	select {
	case s.unsettled <- struct{}{}: // a broker that does not answer must not let results pile up
	case <-s.ctx.Done():
		s.vacate(w, out.entry)
		return
	}
	out.counted, out.server, out.worker = true, s, w
	alone, taking := w.count() == 1, out.entry.taking
	if alone && taking != nil && taking.carry(out) {
		s.vacate(w, out.entry)
		return
	}
	s.commands.addSettlement(out)
	s.vacate(w, out.entry) // for the next message, before the broker has settled this one
	if alone {             // with others to settle, it is better sent together with them
		s.commands.hurry()
	} else {
		s.commands.signal()
	}
}

// insteadOf returns how a message is settled whose handler must not be called, nil if
// there is no reason against it.
func (s *server) insteadOf(a *attempt, m transports.Message) *settlement {
	w, e := a.worker, a.entry
	f := &e.frame
	expired := !f.Expires.IsZero() && !e.began.Before(f.Expires)
	switch {
	case f.deaths > mostDeaths:
		return s.giveUp(e, fmt.Sprintf("%d workers died, or had to be replaced, while they ran it", f.deaths))
	case expired && f.deaths == mostDeaths:
		// Nobody waits for it any more, but somebody must see what kills workers.
		return s.giveUp(e, fmt.Sprintf("it expired after %d workers had died, or been replaced, while they ran it", f.deaths))
	}
	if f.Unique != "" {
		_ = s.releaseUnique(a, s.service.Name, m) // otherwise the key expires, and the log has said so
	}
	switch {
	case expired:
		s.stats.expired.Add(1)
		return &settlement{entry: e, action: actDone}
	case w.isCancelled(e):
		s.stats.cancelled.Add(1)
		return &settlement{entry: e, action: actDone}
	}
	if s.service.Dedupe != nil && m.Key != "" && s.service.Dedupe(m) {
		if instead := s.claim(a, w, e); instead != nil {
			instead.claim = e.claim
			return instead
		}
	}
	return nil
}

// localized returns a message with its times by this process's clock.
func (s *server) localized(m transports.Message) transports.Message {
	if !m.Expires.IsZero() {
		m.Expires = s.clock.toLocal(m.Expires)
	}
	if !m.Enqueued.IsZero() {
		m.Enqueued = s.clock.toLocal(m.Enqueued)
	}
	m.History = slices.Clone(m.History) // the entry keeps the broker's times
	for i := range m.History {
		m.History[i].At = s.clock.toLocal(m.History[i].At)
	}
	return m
}

var errGone = errors.New("the handler ended its goroutine")

// call runs the handler. A panic is a fault of whoever joined handler and
// transport; it must not take the process and other people's requests along, and
// the message is kept where people find it. So it is where a handler ends its
// goroutine, unless that is for another one to settle.
func (s *server) call(a *attempt, m transports.Message) {
	returned := false
	outcome := transports.Outcome{Verdict: transports.Bury, Err: errGone}
	defer func() {
		v := recover()
		if v != nil {
			s.log.Error("handler panicked, its request is buried unless it was settled before", "service", s.service.Name,
				"method", m.Method, "panic", v, "stack", string(debug.Stack()))
			outcome.Err = fmt.Errorf("panic: %v", v)
		}
		if returned || v != nil || !a.lent.Load() {
			a.Settle(outcome)
		}
	}()
	outcome = s.service.Handler(a, m)
	returned = true
}

// settle sends a settlement off.
func (s *server) settle(w *worker, out *settlement) {
	s.addSettlement(w, out)
	s.commands.signal()
}

func (s *server) addSettlement(w *worker, out *settlement) {
	out.server, out.worker = s, w
	s.commands.addSettlement(out)
}

// settled takes the broker's word on a settlement.
func (s *server) settled(out *settlement, result settleResult) {
	switch result {
	case notMine:
		s.stats.notMine.Add(1)
	case replyListTaken:
		s.stats.unanswered.Add(1)
		s.log.Warn("reply not delivered: the request's id names a key that holds something else",
			"service", s.service.Name, "key", out.replyTo)
	case settled:
	}
	out.worker.forget(out.entry)
	if out.counted {
		<-s.unsettled
	}
}
