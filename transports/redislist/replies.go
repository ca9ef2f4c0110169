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

	reading sync.Mutex // held by whom the line is to read: the reader, or a call that leads
	batch   batchSize  // guarded by it

	mu      sync.Mutex // guards what follows
	pending map[string]chan reply
	owed    bool          // a call has ended without its reply
	left    *pop          // that a call has begun, for the reader to end; as long as it is there, nobody leads
	led     *connection   // that a call reads, nil: none does
	off     bool          // that call was called off
	wake    chan struct{} // holds a token while there may be something to read
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

func (r *replies) forget(id string) {
	r.mu.Lock()
	_, waits := r.pending[id]
	delete(r.pending, id)
	r.owed = r.owed || waits
	r.mu.Unlock()
	if waits {
		r.signal() // its reply may come all the same, and is not to lie there
	}
}

// run reads replies until the transport closes. It leaves the broker alone while no call
// waits.
func (r *replies) run() {
	failures := 0
	r.reading.Lock() // and keeps it in the end: nobody is to read then
	for {
		r.reading.Unlock()
		if !r.rest() {
			r.reading.Lock()
			return
		}
		r.reading.Lock()
		calls, p := r.due()
		switch {
		case p != nil:
			for !p.dialog.over {
				p.dialog.step()
			}
			r.leave(nil)
		case calls == 0 && !r.takeOwed(): // whoever led has the last reply
			continue
		default:
			p = r.newPop(r.line.last(), calls, nil)
			p.exec()
		}
		got := r.finish(p)
		if calls == 0 && got > 0 {
			r.owe() // until nothing has come for as long as one pop
		}
		if r.t.ctx.Err() != nil {
			return
		}
		if got > 0 && calls > 1 {
			runtime.Gosched() // whoever has a reply goes on before the next are asked for
		}
		if p.err == nil {
			failures = 0
			continue
		}
		failures++
		if wait(r.t.ctx, backoff(failures)) != nil {
			return
		}
	}
}

// rest waits until there is something to read. It returns false at the end of the
// transport.
func (r *replies) rest() bool {
	for {
		if calls, left := r.due(); calls > 0 || left != nil || r.isOwed() {
			return true
		}
		select {
		case <-r.t.ctx.Done():
			return false
		case <-r.wake:
		}
	}
}

// isOwed reports whether replies may come to calls that have ended.
func (r *replies) isOwed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owed
}

// takeOwed is isOwed for who looks for them.
func (r *replies) takeOwed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	owed := r.owed
	r.owed = false
	return owed
}

func (r *replies) owe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owed = true
}

// due returns how many calls wait for a reply, and the pop that one of them has left.
func (r *replies) due() (calls int, left *pop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending), r.left
}

// leave has the reader end a pop; nil: there is none.
func (r *replies) leave(p *pop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = p
}

func (r *replies) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// A pop is one exchange on the line for replies.
type pop struct {
	*replies
	conn   *connection
	calls  int     // that wait
	along  *along  // the request of one that leads
	dialog *dialog // that it has begun

	first, more *redis.StringSliceCmd
	unsent      bool
	err         error
}

func (r *replies) newPop(conn *connection, calls int, along *along) *pop {
	return &pop{replies: r, conn: conn, calls: calls, along: along}
}

func (p *pop) exec() {
	p.unsent, p.err = p.line.execOn(p.conn, p.fill)
}

// begin has a call that leads begin the pop.
func (p *pop) begin() *dialog {
	p.dialog = p.line.begin(p.conn, p.fill)
	return p.dialog
}

func (p *pop) fill(pipe redis.Pipeliner) {
	p.along.send(pipe)
	// BLMPOP would be one command; Redis 6.2 does not know it.
	p.first = pipe.BRPop(p.t.ctx, p.t.timing.block, p.key)
	if p.calls > 1 { // the one reply that is awaited comes alone
		p.more = pipe.RPopCount(p.t.ctx, p.key, p.batch.most())
	}
}

// finish hands out what a pop has brought, and returns how much that was.
func (r *replies) finish(p *pop) int {
	if p.dialog != nil {
		p.unsent, p.err = p.dialog.unsent, p.dialog.err
	}
	p.along.arrive(p.err, p.unsent)
	raws := popped(p.first, p.more)
	for _, raw := range raws {
		r.deliver(raw)
	}
	r.batch.note(raws)
	return len(raws)
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
