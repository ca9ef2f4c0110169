package redislist

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// A push is one message on its way to the broker. It is sent at most once: again
// only where the broker has surely not seen it, or has said that it did nothing.
type push struct {
	service string
	queue   string
	delayed string // the set where it waits for its time; "": it goes into the queue
	unique  string // the key of its claim; "": it has none
	box     string // the key of its box; "": it has none
	frame   *frame // nil where raw is ready before it leaves
	raw     string // as it leaves
	recall  bool   // its caller may want it back, and keeps raw
	size    int
	keep    time.Duration // how long its box lives on after its deadline
	due     time.Time     // fails with ErrUnavailable when it could not be sent by then
	done    func(error)
	state   atomic.Int32
}

const (
	pushWaits int32 = iota
	pushLeaves
	pushForsaken // left, as far as its caller could see, who no longer waits
	pushWithdrawn
)

// withdraw reports whether the message could be held back: it never reaches the
// broker then. Its body is let go, since it may stand in a queue for as long as
// the broker does not answer.
func (p *push) withdraw() bool {
	if p.state.CompareAndSwap(pushWaits, pushWithdrawn) {
		p.frame, p.raw = nil, ""
		return true
	}
	p.state.CompareAndSwap(pushLeaves, pushForsaken)
	return false
}

func (p *push) leave() bool { return p.state.CompareAndSwap(pushWaits, pushLeaves) }

// comeBack reports whether a message that did not reach the broker is to be sent again.
func (p *push) comeBack() bool { return p.state.CompareAndSwap(pushLeaves, pushWaits) }

// push has a message leave.
func (t *Transport) push(service string, f frame, recall bool, done func(error)) *push {
	p := t.newPush(service, f, recall, done)
	t.commands.addPush(p)
	return p
}

func (t *Transport) newPush(service string, f frame, recall bool, done func(error)) *push {
	now := time.Now()
	p := &push{
		service: service, queue: t.keys.queue(service), recall: recall, size: sizeOf(&f.Message),
		due: now.Add(t.timing.giveUp),
		done: func(err error) {
			switch {
			case errors.Is(err, transports.ErrUnknownOutcome):
				t.stats.unknownSends.Add(1)
			case errors.Is(err, errDuplicate):
				t.stats.duplicates.Add(1)
				err = nil // it was to be dropped
			}
			done(err)
		},
	}
	if f.NotBefore.After(now) {
		p.delayed = t.keys.delayed(service) // where promote.lua finds it
	}
	if f.Unique != "" {
		p.unique = t.keys.unique(service, f.Unique)
	}
	if p.delayed == "" && p.unique == "" && t.clock.isKnown() {
		p.raw = t.commands.encode(f) // here, since the goroutine of commands has enough to do
	} else {
		kept := f // so that others stay off the heap
		p.frame = &kept
	}
	return p
}

// A pushedBatch is one command that sends messages.
type pushedBatch struct {
	cmd    redis.Cmder
	pushes []*push
}

// isPlain reports whether a message goes into the queue, and nothing else.
func (p *push) isPlain() bool { return p.delayed == "" && p.unique == "" && p.box == "" }

// sendPushes has what goes into the same queue leave in one command.
func (c *commands) sendPushes(p redis.Pipeliner, pushes []*push) []*pushedBatch {
	var batches []*pushedBatch
	queues := make(map[string]*pushedBatch, 1)
	for _, m := range pushes {
		alone := !m.isPlain()
		b := queues[m.queue]
		if b == nil || alone {
			b = &pushedBatch{}
			batches = append(batches, b)
		}
		if !alone {
			queues[m.queue] = b
		}
		b.pushes = append(b.pushes, m)
	}
	for _, b := range batches {
		b.cmd = c.sendBatch(p, b.pushes)
	}
	return batches
}

func (c *commands) sendBatch(p redis.Pipeliner, pushes []*push) redis.Cmder {
	first := pushes[0]
	switch {
	case first.unique != "":
		return c.sendUnique(p, first)
	case first.box != "":
		return c.sendSubmit(p, first)
	case first.delayed != "":
		return p.ZAdd(c.ctx, first.delayed, redis.Z{Score: float64(c.dueAt(first)), Member: c.encodePush(first)})
	}
	cmd := c.plainPush(pushes)
	_ = p.Process(c.ctx, cmd)
	return cmd
}

// plainPush returns the command that sends plain messages for one queue.
func (c *commands) plainPush(pushes []*push) redis.Cmder {
	queue := pushes[0].queue
	c.mu.Lock()
	waiting, known := c.waiting[queue]
	c.mu.Unlock()
	args := make([]any, 2, len(pushes)+2)
	if known && waiting+ampleRoom <= int64(c.maxQueue) {
		args[0], args[1] = "lpush", queue
	} else {
		args = append(args[:0], c.maxQueue)
	}
	for _, m := range pushes {
		args = append(args, c.encodePush(m))
	}
	if args[0] == "lpush" {
		return redis.NewIntCmd(c.ctx, args...)
	}
	return pushScript.command([]string{queue}, args)
}

// noteWaiting remembers how many messages wait in a queue; below 0: it is not known.
func (c *commands) noteWaiting(queue string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n < 0 {
		delete(c.waiting, queue)
	} else {
		c.waiting[queue] = n
	}
}

// ampleRoom is how much a queue must have had at the last look for a push to leave
// without another one. The script costs a fifth of the speed, and LPUSH tells the
// length too: a process that was mistaken learns it at once, so that each exceeds the
// limit by one command's messages at most. Limits below this are kept exactly.
const ampleRoom = 10_000

// dueAt returns when a message may be run, in Unix milliseconds by the broker's clock; 0 is now.
func (c *commands) dueAt(p *push) int64 {
	if p.delayed == "" {
		return 0
	}
	return c.clock.toBroker(p.frame.NotBefore).UnixMilli()
}

func (c *commands) encodePush(p *push) string {
	if p.frame != nil {
		p.raw = c.encode(*p.frame)
	}
	return p.raw
}

// encode returns a request as it leaves, with its times by the broker's clock.
func (c *commands) encode(f frame) string {
	if f.bare {
		return string(f.Body)
	}
	if !f.Expires.IsZero() {
		f.Expires = c.clock.toBroker(f.Expires)
	}
	f.Enqueued = c.clock.now()
	if due := c.clock.toBroker(f.NotBefore); !f.NotBefore.IsZero() && due.After(f.Enqueued) {
		f.due = due
	}
	return f.encode()
}

// resolve hands out what the broker has answered. It returns what must be sent
// again: the broker did not know the script, so nothing of it was executed.
func (c *commands) resolve(b *pushedBatch, lineErr error) (again []*push) {
	err := b.cmd.Err()
	switch {
	case lineErr != nil:
		err = fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, lineErr)
	case isNoScript(err):
		return b.pushes
	case err != nil:
		err = explainRefusal(err, b.pushes[0])
	}
	taken := 0
	if err == nil {
		taken = c.taken(b)
	} else {
		c.noteWaiting(b.pushes[0].queue, -1)
	}
	for i, p := range b.pushes {
		refusal := err
		switch {
		case refusal != nil:
		case p.unique != "" && taken == uniqueDropped:
			refusal = errDuplicate
		case i >= taken:
			refusal = fmt.Errorf("%w: %d requests wait for %s already, which is what JOURNEYMAN_MAX_QUEUE allows",
				transports.ErrBusy, c.maxQueue, p.service)
		}
		p.frame = nil // its caller may wait on for the reply
		if !p.recall {
			p.raw = ""
		}
		p.done(refusal)
	}
	return nil
}

// taken returns how many messages the broker says it took, and notes what it says
// of the queue's length.
func (c *commands) taken(b *pushedBatch) int {
	switch cmd := b.cmd.(type) {
	case *redis.Cmd:
		if n, err := cmd.Int(); err == nil { // unique.lua, submit.lua
			return n
		}
		if answer, err := cmd.Int64Slice(); err == nil && len(answer) == 2 { // push.lua
			c.noteWaiting(b.pushes[0].queue, answer[1])
			return int(answer[0])
		}
		return 0
	case *redis.IntCmd:
		if b.pushes[0].delayed == "" {
			c.noteWaiting(b.pushes[0].queue, cmd.Val())
		}
	}
	return len(b.pushes) // LPUSH and ZADD take all or fail
}

// explainRefusal tells what to do about an error that the broker answered instead
// of taking a message.
func explainRefusal(err error, p *push) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "OOM"):
		return unavailable(errors.New("broker is out of memory (OOM): let workers drain the queues, or raise its maxmemory"))
	case strings.Contains(text, "WRONGTYPE"):
		return &transports.RefusedError{Err: fmt.Errorf(
			"key %s holds no queue: something else uses the service's name; set JOURNEYMAN_NAMESPACE: %w", p.queue, err)}
	}
	return unavailable(fmt.Errorf("broker refused the request: %w", err))
}
