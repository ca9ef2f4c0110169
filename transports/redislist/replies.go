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

	mu      sync.Mutex // guards pending
	pending map[string]chan reply
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
	if taken {
		return nil, false
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return answer, true
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

// run reads replies until the transport closes. It leaves the broker alone once no call
// has waited for as long as one pop; until then it waits there for the next call's
// reply, which so costs that call nothing.
func (r *replies) run() {
	failures, idle := 0, true
	var batch batchSize
	for {
		calls := r.waiting()
		for ; calls == 0 && idle; calls = r.waiting() {
			select {
			case <-r.t.ctx.Done():
				return
			case <-r.wake:
			}
		}
		var first *redis.StringSliceCmd
		var more *redis.StringSliceCmd
		err := r.line.exec(func(p redis.Pipeliner) {
			// BLMPOP would be one command; Redis 6.2 does not know it.
			first = p.BRPop(r.t.ctx, r.t.timing.block, r.key)
			if calls > 1 { // the one reply that is awaited comes alone
				more = p.RPopCount(r.t.ctx, r.key, batch.most())
			}
		})
		if r.t.ctx.Err() != nil {
			return
		}
		raws := popped(first, more)
		for _, raw := range raws {
			r.deliver(raw)
		}
		batch.note(raws)
		idle = len(raws) == 0
		if !idle {
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
