package jsonrpc

import (
	"context"
	"fmt"
	"sync/atomic"
)

// concurrency bounds how many members of one batch run at once, so that a
// caller does not get past the limit of its worker by batching.
const concurrency = 8

// A job is a body that is being answered.
type job struct {
	mux      *Mux
	ctx      context.Context
	outside  bool       // it came from there
	one      [1]request // most bodies have no more
	members  []request
	batch    bool
	answered func(Answer) // called once

	next    atomic.Int64 // the first member that nobody has begun
	settled atomic.Int64 // how many are over
}

// run begins every member, and returns when those have returned that ran here.
func (j *job) run() {
	for range min(len(j.members), concurrency) - 1 {
		go j.work()
	}
	j.work()
}

// work settles members until none is left to begin. It goes on in a goroutine of its
// own when this one is lost to a handler.
func (j *job) work() {
	grow(0)
	lost := true
	defer func() {
		if lost { // the handler has ended the goroutine
			go j.work()
		}
	}()
	for {
		i := int(j.next.Add(1)) - 1
		if i >= len(j.members) || !j.settle(i) {
			break
		}
	}
	lost = false
}

// settle sees to one member. It returns false if that was given up meanwhile, and
// another goroutine works in the place of this one.
func (j *job) settle(i int) (inCharge bool) {
	r, ctx := &j.members[i], j.ctx
	if j.batch {
		ctx = memberContext(ctx, i)
	}
	var ended error
	if j.batch { // of a single request its handler finds out
		ended = ctx.Err()
	}
	switch {
	case r.fault != "":
		r.reply = errorReply(r.id, invalid(r.fault))
	case ended != nil:
		r.leave(ctx, ended)
	default:
		e, refusal := j.admit(ctx, r.method)
		if refusal == nil {
			return j.execute(ctx, e, r)
		}
		r.key, r.err = Key(ctx), refusal
		if r.call {
			r.reply = errorReply(r.id, public(r.err))
		}
	}
	j.over()
	return true
}

// leave settles a request without running it, since its context has ended.
func (r *request) leave(ctx context.Context, ended error) {
	r.key, r.err = Key(ctx), fmt.Errorf("%w: %w", ErrNotBegun, ended)
	if r.call {
		r.reply = errorReply(r.id, public(r.err))
	}
}

// conclude settles a request that was run, with its reply or the error that it ended with.
func (j *job) conclude(ctx context.Context, r *request, reply []byte, err error) {
	r.reply, r.err = reply, err
	if !r.call {
		r.key = Key(ctx)
	}
	if err != nil {
		refusal := j.mux.refusal(ctx, r)
		if r.call {
			r.reply = errorReply(r.id, refusal)
		}
	}
	j.over()
}

// over counts one more member as settled, and answers after the last one.
func (j *job) over() {
	if int(j.settled.Add(1)) == len(j.members) {
		j.answered(j.collect())
	}
}

func (j *job) collect() Answer {
	var a Answer
	if limit := j.mux.MaxReply; limit > 0 {
		j.shorten(limit)
	}
	for i := range j.members {
		r := &j.members[i]
		if r.abandoned {
			a.Abandoned = r.err
		}
		switch {
		case r.fault == "" && !r.call:
			a.Notifications = append(a.Notifications, Notification{Method: r.method, Body: r.raw, Key: r.key, Err: r.err})
		case !j.batch:
			a.Reply = r.reply
		default:
			separator := byte(',')
			if a.Reply == nil {
				separator = '['
			}
			a.Reply = append(append(a.Reply, separator), r.reply...)
		}
	}
	if j.batch && a.Reply != nil {
		a.Reply = append(a.Reply, ']')
	}
	return a
}
