package redislist

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// What settle.lua may do with a message; answer.lua knows the first alone.
const (
	actDone   = "done"
	actReturn = "return" // to the front of its list
	actYield  = "yield"  // to its end
	actDelay  = "delay"  // to the queue's end, after a delay
	actRetry  = "retry"  // likewise, as one that failed
	actBury   = "bury"   // to the dead-letter list
)

// A settlement is the end of one message at one worker. It may be sent any number
// of times: only the first finds the message in the backup list.
type settlement struct {
	server  *server
	worker  *worker
	entry   *entry
	action  string
	next    string // what takes the message's place, unless the action is done
	delay   time.Duration
	replyTo string // "": nobody waits
	reply   []byte
	life    time.Duration // of the reply list
	claim   claim         // the message's; the zero value where there is none
	keep    time.Duration // how long the reply is recorded there; 0: the claim is dropped
	kept    []byte        // the body of that reply; nil where none was owed
	follow  []follower
	counted bool // among server.unsettled
	refused int  // how often the broker has answered it with an error
}

func (s *settlement) done(result settleResult) { s.server.settled(s, result) }

func (s *settlement) size() int {
	return len(s.entry.raw) + len(s.next) + len(s.reply) + len(s.kept) + 128 + s.followSize()
}

func (s *settlement) followSize() (size int) {
	for _, f := range s.follow {
		size += len(f.raw)
	}
	return size
}

// A follower is a message for the same service that leaves with a settlement.
type follower struct {
	to  string // "queue", "delayed", "retry" or "dead"
	due int64  // of the delayed ones, in Unix milliseconds by the broker's clock
	raw string
}

// settleResult is the scripts' word on one message.
type settleResult int64

const (
	notMine        settleResult = 0 // no longer in the backup list
	settled        settleResult = 1
	replyListTaken settleResult = 2 // settled, but the reply list's key holds something else
)

// A settledBatch is one call of a script for messages of one worker: answer.lua for
// the plain ones, settle.lua for the others.
type settledBatch struct {
	cmd     *redis.Cmd
	plain   bool
	settles []*settlement
}

// isPlain reports whether the message is done and at most a reply is left to give.
func (s *settlement) isPlain() bool {
	return s.action == actDone && s.claim == claim{} && len(s.follow) == 0
}

func sendSettlements(ctx context.Context, p redis.Pipeliner, settles []*settlement) []*settledBatch {
	type kind struct {
		worker *worker
		plain  bool
	}
	var batches []*settledBatch
	open := make(map[kind]*settledBatch, 2)
	for _, s := range settles {
		k := kind{s.worker, s.isPlain()}
		b := open[k]
		if b == nil || s.refused > 0 { // what was refused goes alone, for it may not have been its fault
			b = &settledBatch{plain: k.plain}
			batches = append(batches, b)
			if s.refused == 0 {
				open[k] = b
			}
		}
		b.settles = append(b.settles, s)
	}
	for _, b := range batches {
		if b.plain {
			b.answer()
		} else {
			b.settle()
		}
		_ = p.Process(ctx, b.cmd)
	}
	return batches
}

// answer is a call of answer.lua, which wants the messages for one reply list together.
func (b *settledBatch) answer() {
	slices.SortStableFunc(b.settles, func(x, y *settlement) int {
		if x.replyTo == "" || y.replyTo == "" { // those without one come last
			return -cmp.Compare(x.replyTo, y.replyTo)
		}
		return cmp.Compare(x.replyTo, y.replyTo)
	})
	keys := []string{b.settles[0].worker.backup}
	args := make([]any, 0, 2*len(b.settles)+2)
	for i, s := range b.settles {
		if s.replyTo == "" {
			args = append(args, s.entry.raw)
			continue
		}
		if i == 0 || s.replyTo != b.settles[i-1].replyTo {
			same, life := 1, s.life
			for same < len(b.settles)-i && b.settles[i+same].replyTo == s.replyTo {
				life = max(life, b.settles[i+same].life)
				same++
			}
			keys = append(keys, s.replyTo)
			args = append(args, same, life.Milliseconds())
		}
		args = append(args, s.entry.raw, s.reply)
	}
	b.cmd = answerScript.command(keys, args)
}

func (b *settledBatch) settle() {
	w := b.settles[0].worker
	k, name := w.keys, w.service
	keys := []string{w.backup, w.queue, k.suspects(name), k.alone(name), k.delayed(name), k.retry(name), k.dead(name)}
	args := make([]any, 0, 12*len(b.settles))
	position := make(map[string]int)
	index := func(key string) int {
		if key == "" {
			return 0
		}
		if position[key] == 0 {
			keys = append(keys, key)
			position[key] = len(keys)
		}
		return position[key]
	}
	for _, s := range b.settles {
		var recorded []byte
		if s.keep > 0 {
			recorded = []byte{'N'} // see claim.lua
			if s.kept != nil {
				recorded = append([]byte{'D'}, s.kept...)
			}
		}
		args = append(args, s.entry.raw, s.action, s.next, s.delay.Milliseconds(), index(s.replyTo), s.life.Milliseconds(), s.reply,
			index(s.claim.record), s.claim.word, s.keep.Milliseconds(), recorded, len(s.follow))
		for _, f := range s.follow {
			args = append(args, f.to, f.due, f.raw)
		}
	}
	b.cmd = settleScript.command(keys, args)
}

// resolve hands out the results, or returns what must be sent again: at once where
// the trouble is the broker's, later and alone where it may be the settlement's own.
func (b *settledBatch) resolve(failed error) (again, later []*settlement) {
	if failed == nil {
		results := b.results()
		for i, s := range b.settles {
			s.done(results[i])
		}
		return nil, nil
	}
	for _, s := range b.settles {
		switch {
		case s.worker.isFenced():
			s.done(notMine)
		case !answered(failed) || isBrokerWide(failed):
			again = append(again, s)
		default:
			if s.refused++; len(b.settles) > 1 {
				s.refused = 1 // it may have been a neighbour's fault
			}
			later = append(later, s)
		}
	}
	return again, later
}

// results returns what the script said of each message.
func (b *settledBatch) results() []settleResult {
	answer, _ := b.cmd.Int64Slice()
	results := make([]settleResult, len(b.settles))
	if !b.plain {
		for i, result := range answer {
			results[i] = settleResult(result)
		}
		return results
	}
	for i := range results {
		results[i] = settled
	}
	for exception := range slices.Chunk(answer, 2) { // position from 1, result
		results[exception[0]-1] = settleResult(exception[1])
	}
	return results
}

// mostRefusals is how often a settlement may be refused before it is tried without
// the reply that it carries, which is what the broker may be refusing.
const mostRefusals = 3

// shed lets go of the reply of a settlement that is refused again and again, unless
// it waits for people to remove a foreign key. What follows is never let go.
func (s *settlement) shed(refusal error) bool {
	if s.refused != mostRefusals || strings.Contains(refusal.Error(), "WRONGTYPE") || s.replyTo == "" && s.kept == nil {
		return false
	}
	s.replyTo, s.reply, s.keep, s.kept = "", nil, 0, nil
	return true
}

// isBrokerWide reports whether an error of the broker's concerns whatever is asked
// of it, and passes by itself.
func isBrokerWide(err error) bool {
	for _, word := range []string{
		"NOSCRIPT", "LOADING", "READONLY", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "OOM", "MISCONF", "NOREPLICAS",
	} {
		if strings.Contains(err.Error(), word) {
			return true
		}
	}
	return false
}
