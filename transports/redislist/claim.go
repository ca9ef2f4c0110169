package redislist

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// A claim makes sure that a message which must run effectively once is not run
// beside another of its key, or again after it. It is void once its worker is
// declared dead: what was begun and not settled runs again.
type claim struct {
	record string // key
	word   string // what stands there while the claim holds
}

// claim returns nil when the message is this worker's to run; its settlement then
// ends the claim. Otherwise it returns how the message is to be settled instead.
func (s *server) claim(ctx context.Context, w *worker, e *entry) *settlement {
	// Noted before it is asked for: the settlement ends it also where the answer
	// never comes.
	e.claim = claim{
		record: s.keys.kept(s.service.Name, e.frame.Method, e.frame.Key),
		word:   "P" + w.id + " " + strconv.FormatUint(e.order, 10),
	}
	began := time.Now()
	for tries := 0; ; tries++ {
		var answer []string
		err := s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
			return claimScript.call(ctx, p, []string{e.claim.record, s.keys.workers(s.service.Name)}, w.id, e.claim.word, s.timing.claim.Milliseconds())
		}, func(cmd redis.Cmder) { answer, _ = cmd.(*redis.Cmd).StringSlice() })
		switch {
		case err != nil && answered(err) && !isBrokerWide(err):
			return &settlement{entry: e, action: actBury, next: s.buried(s.failed(e.frame, err), errorText(err))}
		case err != nil: // the broker is away
			began = time.Now()
		case answer[0] == "mine":
			return nil
		case answer[0] == "kept":
			s.stats.answeredAgain.Add(1)
			return s.repeat(e, answer[1])
		}
		if time.Since(began) > s.timing.twin {
			return &settlement{entry: e, action: actDelay, next: e.raw, delay: s.timing.twin}
		}
		if wait(ctx, min(20*time.Millisecond<<min(tries, 6), s.timing.twin/4)) != nil {
			return &settlement{entry: e, action: actDone}
		}
	}
}

// repeat answers a message with what came of an earlier one with its key.
func (s *server) repeat(e *entry, record string) *settlement {
	out := &settlement{entry: e, action: actDone}
	switch reply, ok := strings.CutPrefix(record, "D"); {
	case ok:
		s.address(e, out, []byte(reply))
	case s.keys.isReplies(e.frame.replyTo):
		out.replyTo, out.life = e.frame.replyTo, replyLife(e, s.timing.reply)
		out.reply = encodeNoReply(e.frame.ID, "the key was used by a notification, which has no reply")
	}
	return out
}
