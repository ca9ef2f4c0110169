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
	actRetry  = "retry"  // to the queue's end, after a delay
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
	record  string        // key of the message's claim; "": it was not claimed
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
	to  string // "queue", "delayed" or "retry"
	due int64  // in Unix milliseconds by the broker's clock, unless it goes to the queue
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
	args := make([]any, 0, 11*len(b.settles))
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
			index(s.record), s.keep.Milliseconds(), recorded, len(s.follow))
		for _, f := range s.follow {
			args = append(args, f.to, f.due, f.raw)
		}
	}
	b.cmd = settleScript.call(ctx, p, keys, args...)
}

// resolve hands out the results and returns what must be sent again where there are none.
func (b *settledBatch) resolve(failed error) (again []*settlement) {
	if failed == nil {
		results, _ := b.cmd.Int64Slice()
		for i, s := range b.settles {
			s.done(settleResult(results[i]))
		}
		return nil
	}
	refused := answered(failed) && !isTransient(failed)
	for _, s := range b.settles {
		if refused && len(b.settles) == 1 {
			s.refused++
		} else if refused {
			s.refused = 1
		}
		if s.refused == mostRefusals {
			s.replyTo, s.reply, s.follow = "", nil, nil // at least the message itself
		}
		if s.worker.isFenced() {
			s.done(notMine)
		} else {
			again = append(again, s)
		}
	}
	return again
}

// A settlement that the broker has refused so often is tried without what it
// carries: a reply may be larger than the broker takes.
const mostRefusals = 3

// isTransient reports whether an error of the broker's passes by itself.
func isTransient(err error) bool {
	for _, word := range []string{"NOSCRIPT", "LOADING", "READONLY", "MASTERDOWN", "BUSY", "TRYAGAIN", "OOM"} {
		if strings.Contains(err.Error(), word) {
			return true
		}
	}
	return false
}
