package redislist

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// replies reads this process's one reply list and hands each reply to the call
// that waits for it. Its connection is made with the first call.
type replies struct {
	t        *Transport
	id       string
	key      string
	line     *line
	sequence atomic.Uint64
	start    sync.Once

	mu      sync.Mutex // guards what follows
	pending map[string]chan reply
	rests   bool          // nothing is pending, and the reader waits for wake
	lone    *push         // that the reader is to send
	wake    chan struct{} // holds a token while something may be pending
}

func newReplies(t *Transport) *replies {
	id := uuid.NewString()
	return &replies{
		t: t, id: id, key: t.keys.replies(id),
		line: t.newLine("replies", t.timing.block, func(ctx context.Context, client *redis.Client) error {
			return explainGreeting(client.Ping(ctx).Err())
		}),
		pending: make(map[string]chan reply),
		wake:    make(chan struct{}, 1),
	}
}

// expect returns a channel on which the reply to the message called id arrives, or the
// word that it was not handed over. It is not ok while another call waits for that reply.
func (r *replies) expect(id string) (answers chan reply, ok bool) {
	r.start.Do(func() { r.t.background(r.run) })
	answer := make(chan reply, 1)
	r.mu.Lock()
	_, taken := r.pending[id]
	if !taken {
		r.pending[id] = answer
	}
	r.mu.Unlock()
	return answer, !taken
}

// ask has the request leave whose reply is expected: with the reader's pop, if that is
// for this reply alone.
func (r *replies) ask(p *push) {
	r.mu.Lock()
	lone := r.rests && p.isPlain()
	if lone {
		r.lone, r.rests = p, false
	}
	r.mu.Unlock()
	if !lone {
		r.t.commands.addPush(p)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// rest returns how many calls wait for a reply as soon as there are any, and the push of
// one that came alone, if it is to leave with the pop. At the end of the transport it
// returns 0.
func (r *replies) rest() (calls int, lone *push) {
	for {
		r.mu.Lock()
		calls, lone = len(r.pending), r.lone
		r.rests, r.lone = calls == 0, nil
		r.mu.Unlock()
		if calls > 0 {
			return calls, lone
		}
		select {
		case <-r.t.ctx.Done():
			return 0, nil
		case <-r.wake:
		}
	}
}

func (r *replies) forget(id string) {
	r.mu.Lock()
	delete(r.pending, id)
	r.mu.Unlock()
}

func (r *replies) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending)
}

// run reads replies until the transport closes. It leaves the broker alone while no call
// waits.
func (r *replies) run() {
	failures := 0
	var batch batchSize
	for {
		calls, lone := r.rest()
		if calls == 0 {
			return
		}
		var first *redis.StringSliceCmd
		var more *redis.StringSliceCmd
		conn := r.line.current()
		along := r.take(lone, conn)
		unsent, err := r.line.execOn(conn, func(p redis.Pipeliner) {
			along.send(p)
			// BLMPOP would be one command; Redis 6.2 does not know it.
			first = p.BRPop(r.t.ctx, r.t.timing.block, r.key)
			if calls > 1 { // the one reply that is awaited comes alone
				more = p.RPopCount(r.t.ctx, r.key, batch.most())
			}
		})
		along.arrive(err, unsent)
		if r.t.ctx.Err() != nil {
			return
		}
		raws := popped(first, more)
		for _, raw := range raws {
			r.deliver(raw)
		}
		batch.note(raws)
		if len(raws) > 0 && calls > 1 {
			runtime.Gosched() // whoever has a reply goes on before the next are asked for
		}
		if err == nil {
			failures = 0
			continue
		}
		failures++
		if wait(r.t.ctx, backoff(failures)) != nil {
			return
		}
	}
}

// take returns what the next pop is to carry. Where there is no connection commands must
// make one, for a request may not wait for that as long as a reader does.
func (r *replies) take(lone *push, conn *connection) *along {
	switch {
	case lone == nil:
	case conn == nil:
		r.t.commands.addPush(lone)
	case lone.leave():
		return r.t.commands.along(nil, []*push{lone})
	}
	return nil
}

func popped(first, more *redis.StringSliceCmd) []string {
	if first == nil {
		return nil
	}
	var raws []string
	if v := first.Val(); len(v) == 2 {
		raws = append(raws, v[1])
	}
	if more != nil {
		raws = append(raws, more.Val()...)
	}
	return raws
}

func (r *replies) deliver(raw string) {
	f := decode(raw)
	r.mu.Lock()
	answer := r.pending[f.ID]
	delete(r.pending, f.ID)
	r.mu.Unlock()
	switch {
	case f.ID == "" || answer == nil:
		r.t.stats.lateReplies.Add(1)
	case f.err != "":
		give(answer, reply{err: noReply(f.err)})
	default:
		give(answer, reply{body: f.Body})
	}
}

// give resolves a call, unless that was done before.
func give(answer chan<- reply, r reply) {
	select {
	case answer <- r:
	default:
	}
}

// A reply is what came of a message that was handed over: an answer, or the word
// that there will be none.
type reply struct {
	body []byte
	err  error
}

func noReply(why string) error {
	if why, ok := strings.CutPrefix(why, givenUp); ok {
		return fmt.Errorf("%w: %s", transports.ErrBuried, why)
	}
	return fmt.Errorf("there will be no reply: %s", why)
}
