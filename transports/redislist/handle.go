package redislist

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

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
		<-s.slots
		return
	}
	s.handlers.Go(func() {
		defer func() { <-s.slots }()
		defer cancel(nil)
		s.handle(ctx, w, e)
	})
}

// handle runs one message to its settlement.
func (s *server) handle(ctx context.Context, w *worker, e *entry) {
	m := e.frame.Message
	outcome := transports.Outcome{}
	if !m.Expires.IsZero() && !s.clock.now().Before(m.Expires) {
		// Its caller has gone; nobody would see the result.
		s.stats.expired.Add(1)
	} else {
		if !m.Expires.IsZero() {
			m.Expires = s.clock.toLocal(m.Expires)
			var stop context.CancelFunc
			ctx, stop = context.WithDeadline(ctx, m.Expires)
			defer stop()
		}
		if !m.Enqueued.IsZero() {
			m.Enqueued = s.clock.toLocal(m.Enqueued)
		}
		outcome = s.call(ctx, m)
	}
	if !w.end(e) {
		// Given back or fenced: the result is somebody else's to give.
		s.stats.notMine.Add(1)
		return
	}
	// The slot is free for the next message before the broker has settled this
	// one; but a broker that does not answer must not let results pile up.
	select {
	case s.unsettled <- struct{}{}:
		out := s.settlementOf(e, outcome)
		out.counted = true
		s.settle(w, out)
	case <-s.ctx.Done():
	}
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

// settlementOf says what is to become of a message.
func (s *server) settlementOf(e *entry, o transports.Outcome) *settlement {
	out := &settlement{entry: e, action: actDone}
	switch o.Verdict {
	case transports.Retry:
		out.action, out.delay = actRetry, o.After
		out.next = failed(e.frame, o.Err)
	case transports.Bury:
		out.action = actBury
		out.next = failed(e.frame, o.Err)
	case transports.NotMine:
		out.action, out.next = actYield, e.raw
	case transports.Done:
	}
	for _, m := range o.Follow {
		if err := s.completeFollower(&m); err != nil {
			// Keep the message rather than lose what was to follow it.
			s.log.Error("message cannot follow, request buried", "service", s.service.Name, "method", m.Method, "err", err)
			return &settlement{entry: e, action: actBury, next: failed(e.frame, err)}
		}
		out.follow = append(out.follow, s.commands.encode(frame{Message: m}))
	}
	if o.Reply == nil {
		return out
	}
	if len(o.Reply) > s.options.MaxMessage {
		// The broker might refuse it, and all that leaves with it.
		s.log.Error("reply too large, not sent", "service", s.service.Name, "method", e.frame.Method,
			"bytes", len(o.Reply), "limit", s.options.MaxMessage)
		s.stats.unanswered.Add(1)
		return out
	}
	if e.frame.bare {
		out.replyTo, out.reply, out.life = bareReplyList(e.frame.Body), o.Reply, s.timing.article
	} else if s.keys.isReplies(e.frame.replyTo) {
		out.replyTo, out.reply, out.life = e.frame.replyTo, encodeReply(e.frame.ID, o.Reply), s.replyLife(e.frame.Expires)
	}
	if out.replyTo == "" {
		s.unanswered(e)
	}
	return out
}

// unanswered counts a reply that has nowhere to go, and says so about once a
// minute: whoever sends such requests would otherwise wait without a hint.
func (s *server) unanswered(e *entry) {
	s.stats.unanswered.Add(1)
	now, last := time.Now(), s.complained.Load()
	if now.Sub(time.Unix(0, last)) < time.Minute || !s.complained.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	why := "its Reply-To is no reply list"
	if e.frame.bare {
		why = "its id names no list: want a string of 8 to 128 bytes without colons and braces that is not just lower-case letters"
	}
	s.log.Warn("request answered nowhere: "+why, "service", s.service.Name, "so_far", s.stats.unanswered.Load())
}

func (s *server) completeFollower(m *transports.Message) error {
	if !m.NotBefore.IsZero() {
		return fmt.Errorf("delay of a message that follows: %w", transports.ErrUnsupported)
	}
	return s.complete(m)
}

// replyLife is how long a caller's reply list lives on after a reply: longer than
// the caller waits.
func (s *server) replyLife(expires time.Time) time.Duration {
	if expires.IsZero() {
		return s.timing.reply
	}
	return max(s.timing.reply, expires.Sub(s.clock.now())+s.timing.reply)
}

// failed returns a message as it stands after one more failed attempt.
func failed(f frame, cause error) string {
	f.Failures++
	f.deaths = 0
	if f.ID == "" {
		f.nonce = uuid.NewString()
	}
	if cause != nil {
		f.err = cause.Error()
	}
	return f.encode()
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
