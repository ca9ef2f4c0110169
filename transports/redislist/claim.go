package redislist

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// claim makes sure that a message which must run effectively once is not run
// beside another of its id, or again after it. Where it returns mine, the message's
// settlement ends the claim; otherwise kept is what came of the message before, or
// nothing if ctx ended first.
//
// A crash ends a claim too, since it is void once its worker is dead: what was
// begun and not settled runs again.
func (s *server) claim(ctx context.Context, w *worker, e *entry) (kept transports.Outcome, mine bool) {
	record := s.keys.kept(s.service.Name, e.frame.Key)
	for tries := 0; ; tries++ {
		var answer []string
		err := s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
			return claimScript.call(ctx, p, []string{record, s.keys.workers(s.service.Name)}, w.id, e.order, s.timing.claim.Milliseconds())
		}, func(cmd redis.Cmder) { answer, _ = cmd.(*redis.Cmd).StringSlice() })
		switch {
		case err != nil:
			s.log.Debug("claim", "service", s.service.Name, "id", e.frame.ID, "err", err)
		case answer[0] == "mine":
			e.record = record
			return transports.Outcome{}, true
		case answer[0] == "kept":
			s.stats.answeredAgain.Add(1)
			reply, answered := strings.CutPrefix(answer[1], "D")
			if !answered {
				return transports.Outcome{}, false
			}
			return transports.Outcome{Reply: []byte(reply)}, false
		}
		// Its twin runs, here or elsewhere, or the broker is away.
		if wait(ctx, min(20*time.Millisecond<<min(tries, 6), s.timing.beat/2)) != nil {
			return transports.Outcome{}, false
		}
	}
}
