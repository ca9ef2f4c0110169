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
	actReturn = "return" // to the front of the queue
	actYield  = "yield"  // to its end
	actRetry  = "retry"  // to its end, after a delay
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
	follow  []string      // messages for the same queue
	counted bool          // among server.unsettled
	refused int           // how often the broker has answered it with an error
	done    func(settleResult)
}

func (s *settlement) size() int {
	return len(s.entry.raw) + len(s.next) + len(s.reply) + 128 + s.followSize()
}

func (s *settlement) followSize() (size int) {
	for _, raw := range s.follow {
		size += len(raw)
	}
	return size
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
	keys := []string{w.backup, w.queue, w.keys.delayed(w.service), w.keys.dead(w.service)}
	args := make([]any, 0, 8*len(b.settles))
	position := make(map[string]int)
	for _, s := range b.settles {
		reply := 0
		if s.replyTo != "" {
			var ok bool
			if reply, ok = position[s.replyTo]; !ok {
				keys = append(keys, s.replyTo)
				reply = len(keys)
				position[s.replyTo] = reply
			}
		}
		args = append(args, s.entry.raw, s.action, s.next, s.delay.Milliseconds(), reply, s.life.Milliseconds(), s.reply,
			len(s.follow))
		for _, raw := range s.follow {
			args = append(args, raw)
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
