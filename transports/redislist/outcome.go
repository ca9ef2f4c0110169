package redislist

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/journeyman-go/journeyman/transports"
)

// settlementOf says what is to become of a message.
func (s *server) settlementOf(e *entry, o transports.Outcome) *settlement {
	out := &settlement{entry: e, action: actDone, claim: e.claim}
	switch o.Verdict {
	case transports.Retry:
		out.action, out.delay = actRetry, o.After
		next := s.failed(e.frame, o.Err)
		next.due = s.clock.now().Add(o.After)
		out.next = next.encode()
	case transports.Bury:
		out.action = actBury
		out.next = s.buried(s.failed(e.frame, o.Err), errorText(o.Err))
	case transports.NotMine:
		out.action, out.next = actYield, e.raw
	case transports.Suspect:
		next := s.died(e.frame, o.Err)
		out.action, out.next = actReturn, next.encode()
	case transports.Done:
		out.keep, out.kept = o.Keep, o.Reply
	}
	for _, m := range o.Follow {
		f, err := s.followerOf(m)
		if err != nil {
			// Keep the message rather than lose what was to follow it.
			s.log.Error("message cannot follow, request buried", "service", s.service.Name, "method", m.Method, "err", err)
			return &settlement{entry: e, action: actBury, claim: e.claim, next: s.buried(s.failed(e.frame, err), errorText(err))}
		}
		out.follow = append(out.follow, f)
	}
	for _, d := range o.Dead {
		out.follow = append(out.follow, s.deadFollower(d))
	}
	if o.Reply != nil {
		s.address(e, out, o.Reply)
	}
	return out
}

// address has a settlement answer its message's caller.
func (s *server) address(e *entry, out *settlement, reply []byte) {
	if len(reply) > s.options.MaxMessage {
		// The broker might refuse it, and all that leaves with it.
		s.log.Error("reply too large, not sent", "service", s.service.Name, "method", e.frame.Method,
			"bytes", len(reply), "limit", s.options.MaxMessage)
		s.stats.unanswered.Add(1)
		return
	}
	if e.frame.bare {
		out.replyTo, out.reply, out.life = bareReplyList(e.frame.Body), reply, s.timing.article
	} else if s.keys.isReplies(e.frame.replyTo) {
		out.replyTo, out.reply, out.life = e.frame.replyTo, encodeReply(e.frame.ID, reply), replyLife(e, s.timing.reply)
	}
	if out.replyTo == "" {
		s.unanswered(e)
	}
}

// giveUp buries a message that worker after worker died of, and tells its caller.
func (s *server) giveUp(e *entry, why string) *settlement {
	out := &settlement{entry: e, action: actBury, next: s.buried(e.frame, why)}
	s.stats.givenUp.Add(1)
	s.log.Error("request given up, it is among the dead letters", "service", s.service.Name,
		"method", e.frame.Method, "id", e.frame.ID, "reason", why)
	switch {
	case e.frame.bare:
		if list := bareReplyList(e.frame.Body); list != "" {
			out.replyTo, out.reply, out.life = list, bareGivenUp(list, why), s.timing.article
		}
	case s.keys.isReplies(e.frame.replyTo):
		out.replyTo, out.reply, out.life = e.frame.replyTo, encodeNoReply(e.frame.ID, givenUp+why), replyLife(e, s.timing.reply)
	}
	return out
}

// failed returns a message as it stands after one more failed attempt. Whatever
// killed its workers before, this one lives.
func (s *server) failed(f frame, cause error) frame {
	f.Failures++
	f.deaths = 0
	f.err = errorText(cause)
	return s.recorded(f, transports.Attempt{Error: f.err})
}

// died returns a message as it stands after one more worker had to be given up for it.
func (s *server) died(f frame, why error) frame {
	f.deaths++
	return s.recorded(f, transports.Attempt{Died: true, Error: errorText(why)})
}

// recorded returns a message with one more attempt of this worker in its history.
func (s *server) recorded(f frame, a transports.Attempt) frame {
	a.At, a.Worker = s.clock.now(), s.options.Instance
	f.History = slices.Concat([]transports.Attempt{a}, f.History)
	if f.ID == "" {
		f.nonce = uuid.NewString() // keeps equal ones apart in a sorted set
	}
	return f
}

// buried returns the wire form of a dead letter.
func (s *server) buried(f frame, reason string) string {
	f.buried, f.err = s.clock.now(), cmp.Or(reason, "no reason was given")
	if f.ID == "" {
		f.nonce = cmp.Or(f.nonce, uuid.NewString()) // its name as a dead letter
	}
	return f.encode()
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return short(err.Error(), mostError)
}

const mostError = 2048 // bytes of an error that travels with a message

// short cuts a text that travels with a message to so many bytes.
func short(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// followerOf returns the wire form of a message that follows.
func (s *server) followerOf(m transports.Message) (follower, error) {
	if m.Unique != "" {
		return follower{}, fmt.Errorf("unique message that follows: %w", transports.ErrUnsupported)
	}
	if err := s.complete(&m); err != nil {
		return follower{}, err
	}
	m.History = s.historyToBroker(m.History)
	f := follower{to: "queue", raw: s.commands.encode(frame{Message: m})}
	if !m.NotBefore.IsZero() {
		f.to, f.due = "delayed", s.clock.toBroker(m.NotBefore).UnixMilli()
		if m.Failures > 0 {
			f.to = "retry"
		}
	}
	return f, nil
}

// deadFollower returns the wire form of a dead letter that leaves with a settlement.
func (s *server) deadFollower(d transports.DeadLetter) follower {
	m := d.Message
	m.History = s.historyToBroker(m.History)
	f := frame{Message: m, deaths: d.Deaths}
	f.Enqueued = s.clock.now()
	return follower{to: "dead", raw: s.buried(f, short(d.Reason, mostError))}
}

func (s *server) historyToBroker(history []transports.Attempt) []transports.Attempt {
	history = slices.Clone(history)
	for i := range history {
		history[i].At = s.clock.toBroker(history[i].At)
	}
	return history
}

// replyLife is how long a caller's reply list lives on after a reply: longer, by least,
// than the caller waits.
func replyLife(e *entry, least time.Duration) time.Duration {
	if e.frame.Expires.IsZero() {
		return least
	}
	return min(max(0, e.frame.Expires.Sub(e.began))+least, mostReplyLife)
}

// mostReplyLife bounds what a stranger's Expires can have the broker keep.
const mostReplyLife = 24 * time.Hour

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
