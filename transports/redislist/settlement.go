package redislist

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// What settle.lua may do with a message.
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
	done    func(settleResult)
}

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

// settleResult is settle.lua's word on one message.
type settleResult int64

const (
	notMine        settleResult = 0 // no longer in the backup list
	settled        settleResult = 1
	replyListTaken settleResult = 2 // settled, but the reply list's key holds something else
)

// A settledBatch is one call of settle.lua for messages of one worker.
type settledBatch struct {
	cmd     *redis.Cmd
	settles []*settlement
}

func sendSettlements(ctx context.Context, p redis.Pipeliner, settles []*settlement) []settledBatch {
	var batches []settledBatch
	index := make(map[*worker]int, 1)
	for _, s := range settles {
		i, ok := index[s.worker]
		if !ok || s.refused > 0 { // what was refused goes alone, for it may not have been its fault
			i = len(batches)
			if s.refused == 0 {
				index[s.worker] = i
			}
			batches = append(batches, settledBatch{})
		}
		batches[i].settles = append(batches[i].settles, s)
	}
	for i := range batches {
		batches[i].send(ctx, p)
	}
	return batches
}

func (b *settledBatch) send(ctx context.Context, p redis.Pipeliner) {
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
	b.cmd = settleScript.call(ctx, p, keys, args...)
}

// resolve hands out the results, or returns what must be sent again: at once where
// the trouble is the broker's, later and alone where it may be the settlement's own.
func (b *settledBatch) resolve(failed error) (again, later []*settlement) {
	if failed == nil {
		results, _ := b.cmd.Int64Slice()
		for i, s := range b.settles {
			s.done(settleResult(results[i]))
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
