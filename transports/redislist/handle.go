package redislist

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/journeyman-go/journeyman/transports"
)

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
		out.follow = append(out.follow, s.wireOf(m))
	}
	if o.Reply == nil {
		return out
	}
	if e.frame.bare {
		out.replyTo, out.reply, out.life = bareReplyList(e.frame.Body), o.Reply, s.timing.article
	} else if s.keys.isReplies(e.frame.replyTo) {
		out.replyTo, out.reply, out.life = e.frame.replyTo, encodeReply(e.frame.ID, o.Reply), s.replyLife(e.frame.Expires)
	}
	if out.replyTo == "" {
		s.stats.unanswered.Add(1)
	}
	return out
}

// wireOf returns a message that follows another into the same queue.
func (s *server) wireOf(m transports.Message) string {
	if m.ID == "" {
		m.ID = s.nextID()
	}
	return s.commands.encode(frame{Message: m})
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
