package rabbitmq

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// answer sends the reply to a message, and acknowledges the message when the broker has
// the reply. It waits for neither, unless the broker takes nothing at the moment.
func (s *server) answer(e *entry, body []byte) {
	if !s.mayReply(e, body) {
		s.acknowledge(e)
		return
	}
	if out := s.openOutlet(); out != nil {
		s.outlast(e)
		others := s.busy.Load() > 0
		bundled := s.names.takesBundles(e.in.replyTo) && !strings.Contains(e.in.correlationID, "\n") // which ends an id in a bundle
		out.reply(&reply{server: s, entry: e, body: body, bundled: bundled}, others)
		return
	}
	s.send(e, body, "")
	s.acknowledge(e)
}

// openOutlet returns that of the current session, nil where a message would have to wait.
func (s *server) openOutlet() *outlet {
	session, ok, _ := s.publishing.current.get()
	if !ok || session.socket.full() != nil {
		return nil
	}
	if why, _ := session.isBlocked(); why != "" {
		return nil
	}
	return session.outlet
}

// replied is told what became of replies that left together.
func (s *server) replied(replies []*reply, err error) {
	if err == nil {
		entries := make([]*entry, len(replies))
		for i, r := range replies {
			entries[i] = r.entry
		}
		s.acknowledgeSoon(entries...)
		return
	}
	for _, r := range replies { // once more, each by itself and for as long as it takes
		go func() {
			s.send(r.entry, r.body, "")
			s.acknowledge(r.entry)
		}()
	}
}

// reply answers a message's caller, or tells it that there will be no answer and why.
func (s *server) reply(e *entry, body []byte, refused string) {
	if s.mayReply(e, body) {
		s.send(e, body, refused)
	}
}

// mayReply reports whether a message has a caller that can be answered.
func (s *server) mayReply(e *entry, body []byte) bool {
	in := &e.in
	switch {
	case in.replyTo == "":
		return false // a notification
	case !s.mayAnswer(in.replyTo):
		s.stats.unanswered.Add(1)
		s.log.Warn("request answered nowhere: its reply_to names a queue of ours that is not for replies",
			"service", s.service.Name, "reply_to", cut(in.replyTo, 64))
		return false
	case len(body) > s.opts.MaxMessage:
		s.stats.unanswered.Add(1)
		s.log.Error("reply too large, not sent", "service", s.service.Name, "method", in.message.Method,
			"bytes", len(body), "limit", s.opts.MaxMessage)
		return false
	}
	return true
}

// send publishes a reply and waits until the broker has it: for a broker in need until
// nobody waits for the reply any more.
func (s *server) send(e *entry, body []byte, refused string) {
	in := &e.in
	ctx := s.ctx
	if !in.message.Expires.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, in.message.Expires)
		defer cancel()
	}
	for failures := 0; ; failures++ {
		// Not mandatory: a caller that has gone is no fault.
		err := s.deliver(ctx, "", in.replyTo, false, e.encodeReply(body, refused, time.Now()))
		if err == nil {
			return
		}
		if !errors.Is(err, transports.ErrBusy) || failures > mostRefusals || s.pause(ctx, failures) != nil {
			s.stats.unanswered.Add(1)
			s.log.Debug("reply not delivered", "service", s.service.Name, "id", in.message.ID, "err", err)
			return
		}
	}
}

// mayAnswer keeps a caller from having us write into a queue of requests or dead letters.
func (s *server) mayAnswer(replyTo string) bool {
	own := replyTo
	if s.opts.Namespace != "" {
		var ok bool
		if own, ok = strings.CutPrefix(replyTo, s.opts.Namespace+":"); !ok {
			return true
		}
	}
	service, derived, _ := strings.Cut(own, ".")
	switch {
	case strings.HasPrefix(own, "journeyman."):
		return strings.HasPrefix(own, "journeyman.reply.")
	case transports.CheckName(service) != nil:
		return true
	}
	return derived != "" && derived != "dead" && derived != "suspects" && derived != "alone" &&
		!strings.HasPrefix(derived, "method.") && !strings.HasPrefix(derived, "delay.")
}
