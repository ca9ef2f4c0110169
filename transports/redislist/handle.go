package redislist

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// putBack returns a message that arrived after this process stopped taking. It was
// never begun, so nothing is noted on it.
func (s *server) putBack(w *worker, e *entry) {
	if w.end(e) {
		s.settle(w, &settlement{entry: e, action: actReturn, next: e.raw})
	}
}

// begin starts the handler of a message that holds a slot.
func (s *server) begin(w *worker, e *entry) {
	ctx, cancel := context.WithCancelCause(s.values)
	if !w.begin(e, cancel) {
		cancel(nil)
		s.vacate(w, e)
		return
	}
	s.handlers.Go(func() {
		defer s.vacate(w, e)
		defer cancel(nil)
		s.handle(ctx, w, e)
	})
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
}

// handle runs one message to its settlement.
func (s *server) handle(ctx context.Context, w *worker, e *entry) {
	out := s.process(ctx, w, e)
	if !w.end(e) {
		// Given back or fenced: the result is somebody else's to give.
		s.stats.notMine.Add(1)
		return
	}
	// The slot is free for the next message before the broker has settled this
	// one; but a broker that does not answer must not let results pile up.
	select {
	case s.unsettled <- struct{}{}:
		out.counted = true
		s.settle(w, out)
	case <-s.ctx.Done():
	}
}

// process calls the handler, unless there is a reason not to, and returns what is to
// become of the message.
func (s *server) process(ctx context.Context, w *worker, e *entry) *settlement {
	f := &e.frame
	expired := !f.Expires.IsZero() && !s.clock.now().Before(f.Expires)
	switch {
	case f.deaths > mostDeaths:
		return s.giveUp(e, fmt.Sprintf("%d workers died, or had to be replaced, while they ran it", f.deaths))
	case expired && f.deaths == mostDeaths:
		// Nobody waits for it any more, but somebody must see what kills workers.
		return s.giveUp(e, fmt.Sprintf("it expired after %d workers had died, or been replaced, while they ran it", f.deaths))
	}
	m := s.localized(f.Message)
	if f.Unique != "" {
		_ = s.releaseUnique(ctx, s.service.Name, m) // otherwise the key expires, and the log has said so
	}
	switch {
	case expired:
		s.stats.expired.Add(1)
		return &settlement{entry: e, action: actDone}
	case w.isCancelled(e):
		s.stats.cancelled.Add(1)
		return &settlement{entry: e, action: actDone}
	}
	if !m.Expires.IsZero() {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, m.Expires)
		defer stop()
	}
	if s.service.Dedupe != nil && m.Key != "" && s.service.Dedupe(m) {
		if instead := s.claim(ctx, w, e); instead != nil {
			instead.claim = e.claim
			return instead
		}
	}
	return s.settlementOf(e, s.call(ctx, m))
}

// localized returns a message with its times by this process's clock.
func (s *server) localized(m transports.Message) transports.Message {
	for _, t := range []*time.Time{&m.Expires, &m.Enqueued} {
		if !t.IsZero() {
			*t = s.clock.toLocal(*t)
		}
	}
	m.History = slices.Clone(m.History) // the entry keeps the broker's times
	for i := range m.History {
		m.History[i].At = s.clock.toLocal(m.History[i].At)
	}
	return m
}

// call runs the handler. A panic is a fault of whoever joined handler and
// transport; it must not take the process and other people's requests along, and
// the message is kept where people find it.
func (s *server) call(ctx context.Context, m transports.Message) (outcome transports.Outcome) {
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("handler panicked, request buried", "service", s.service.Name, "method", m.Method,
				"panic", v, "stack", string(debug.Stack()))
			outcome = transports.Outcome{Verdict: transports.Bury, Err: fmt.Errorf("panic: %v", v)}
		}
	}()
	return s.service.Handler(ctx, m)
}

// settle sends a settlement off.
func (s *server) settle(w *worker, out *settlement) {
	out.worker = w
	out.done = func(result settleResult) {
		switch result {
		case notMine:
			s.stats.notMine.Add(1)
		case replyListTaken:
			s.stats.unanswered.Add(1)
			s.log.Warn("reply not delivered: the request's id names a key that holds something else",
				"service", s.service.Name, "key", out.replyTo)
		case settled:
		}
		w.forget(out.entry)
		if out.counted {
			<-s.unsettled
		}
	}
	s.commands.addSettlement(out)
}
