package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// What is asked of the service, and how.
type kind string

const (
	call   kind = "call"   // of work, with a deadline; its reply is waited for
	notify kind = "notify" // of work, which never expires
	once   kind = "once"   // a call of once, which is deduplicated
)

// A load is what 64 callers ask. They keep their pace whether they are answered or not, as the
// users of an application do.
type load struct {
	rate    int           // requests per second, of all callers together
	callers int           // 0 means 64
	timeout time.Duration // of calls
	min     int           // of a handler, ms
	max     int
	mix     []kind // by turns
	via     []transports.Transport
	repeat  bool   // ask answered once-calls again, under their key
	name    string // begins the requests' ids, where a scenario has several loads
}

// ordinary is the load of most scenarios. A quarter of it is deduplicated where the
// transport can do that.
func (w *world) ordinary(via ...transports.Transport) load {
	l := load{rate: 300, timeout: 60 * time.Second, min: 50, max: 500, mix: []kind{call, notify, call, once}, via: via}
	if !w.wire.dedupes {
		l.mix[3] = call
	}
	return l
}

// A job is one request and what came of it.
type job struct {
	id    string
	kind  kind
	sent  time.Time
	due   time.Time // of calls
	back  time.Time // zero while it is under way
	err   error
	reply done
	again []done // replies of repeated calls
}

type done struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

// A traffic is a load under way, or over.
type traffic struct {
	load
	world   *world
	halt    context.CancelFunc
	before  int // late replies of others
	began   time.Time
	stopped time.Time
	pacing  sync.WaitGroup
	running sync.WaitGroup

	mu   sync.Mutex
	jobs []*job

	deaths []death // of workers, where what they had accepted dies with them
}

// begin starts the callers.
func (w *world) begin(l load) *traffic {
	if l.callers == 0 {
		l.callers = 64
	}
	ctx, halt := context.WithCancel(w.ctx)
	t := &traffic{load: l, world: w, halt: halt, before: w.lateReplies(), began: time.Now()}
	pace := time.Duration(l.callers) * time.Second / time.Duration(l.rate)
	for i := range l.callers {
		chance := rand.New(rand.NewPCG(w.bench.seed, uint64(i)+1))
		t.pacing.Go(func() { t.ask(ctx, i, pace, chance) })
	}
	return t
}

func (t *traffic) ask(ctx context.Context, caller int, pace time.Duration, chance *rand.Rand) {
	first := time.NewTimer(time.Duration(chance.Int64N(int64(pace))))
	defer first.Stop()
	select {
	case <-ctx.Done():
		return
	case <-first.C:
	}
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	via := t.via[caller%len(t.via)]
	for n := 0; ctx.Err() == nil; n++ {
		j := &job{id: fmt.Sprintf("%s-%s%d-%d", t.world.scenario.name, t.name, caller, n), kind: t.mix[(caller+n)%len(t.mix)]}
		ms := t.min + chance.IntN(t.max-t.min+1)
		t.mu.Lock()
		t.jobs = append(t.jobs, j)
		t.mu.Unlock()
		t.running.Go(func() { t.run(via, j, ms) })
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// run makes one request. It outlives begin's context: what was sent is to come back.
func (t *traffic) run(via transports.Caller, j *job, ms int) {
	j.sent = time.Now()
	due := j.sent.Add(t.timeout)
	ctx, cancel := context.WithDeadline(context.WithoutCancel(t.world.ctx), due)
	defer cancel()
	params := map[string]any{"id": j.id, "ms": ms}
	c := client.New(via, service, client.Timeout(t.timeout))
	var reply done
	var err error
	switch j.kind {
	case notify:
		err = c.Notify(ctx, "work", params)
	case call:
		reply, err = client.Result[done](ctx, c, "work", params)
	case once:
		reply, err = callOnce(ctx, via, j.id, params)
	}
	t.finish(j, due, reply, err)
	if t.repeat && j.kind == once && err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.timeout)
		defer cancel()
		reply, err := callOnce(ctx, via, j.id, params)
		if err != nil {
			reply.Token = err.Error()
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		j.again = append(j.again, reply)
	}
}

func (t *traffic) finish(j *job, due time.Time, reply done, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j.back, j.reply, j.err = time.Now(), reply, err
	if j.kind != notify {
		j.due = due
	}
}

// callOnce calls the deduplicated method under an idempotency key.
func callOnce(ctx context.Context, via transports.Caller, key string, params any) (reply done, err error) {
	body, err := jsonrpc.EncodeCall([]byte(`"`+key+`"`), "once", params)
	if err != nil {
		return reply, err
	}
	raw, err := via.Call(ctx, service, transports.Message{ID: key, Method: "once", Body: body})
	if err != nil {
		return reply, err
	}
	answer, err := jsonrpc.DecodeReply(raw)
	if err != nil {
		return reply, err
	}
	if answer.Error != nil {
		return reply, answer.Error
	}
	return reply, decode(answer.Result, &reply)
}

// stop has callers ask no more.
func (t *traffic) stop() {
	if t.stopped.IsZero() {
		t.stopped = time.Now()
	}
	t.halt()
	t.pacing.Wait()
}

// settle waits until all calls have come back and everything that the broker
// accepted has run, but not longer than the limit after the last deadline.
func (t *traffic) settle(limit time.Duration) {
	t.stop()
	returned := make(chan struct{})
	go func() {
		t.running.Wait()
		close(returned)
	}()
	timer := time.NewTimer(t.timeout + limit)
	defer timer.Stop()
	select {
	case <-returned:
	case <-timer.C: // the oracle says which
	case <-t.world.ctx.Done():
		panic(halt{"interrupted"})
	}
	if !t.world.wire.queues {
		limit = min(limit, 5*time.Second) // what ran nowhere by now died with its worker
	}
	t.world.until(limit, func() bool { return t.unfinished() == 0 })
	t.world.until(limit, func() bool { return len(t.world.held()) == 0 })
}

// unfinished returns how many notifications were acknowledged and have not run.
func (t *traffic) unfinished() (n int) {
	for _, j := range t.all() {
		if j.kind == notify && !j.back.IsZero() && j.err == nil && len(t.world.ledger.ended(j.id)) == 0 {
			n++
		}
	}
	return n
}

// all returns copies of all jobs.
func (t *traffic) all() []job {
	t.mu.Lock()
	defer t.mu.Unlock()
	jobs := make([]job, len(t.jobs))
	for i, j := range t.jobs {
		jobs[i] = *j
	}
	return jobs
}

// refused reports whether an error says that nothing was handed over.
func refused(err error) bool {
	for _, sentinel := range []error{transports.ErrUnavailable, transports.ErrBusy, transports.ErrTooLarge, transports.ErrNoService} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

func expired(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
