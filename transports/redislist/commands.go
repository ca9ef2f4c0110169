package redislist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// commands is the one line on which a process pushes requests, settles messages,
// beats and asks. What comes up while an exchange with the broker is under way
// leaves together with the next one: that makes both the speed and the small
// number of connections.
type commands struct {
	line   *line
	clock  *clock
	timing timing
	log    *slog.Logger
	wake   chan struct{} // holds a token while there may be something to send
	ctx    context.Context

	busy     sync.Mutex // held during an exchange; guards the line
	maxQueue int        // how many messages may wait in one queue

	mu      sync.Mutex       // guards what follows
	waiting map[string]int64 // how many messages did, by queue, as the broker last said
	tasks   []*task
	settles []*settlement
	pushes  []*push
	refusal error         // permanent: wrong credentials, an unknown certificate, too old a server
	refused chan struct{} // closed while refusal is set
}

// A task is any single command. It is sent at most once, and not after its ctx has
// ended: nobody waits for the answer then.
type task struct {
	ctx  context.Context
	add  func(redis.Pipeliner) redis.Cmder
	done func(redis.Cmder, error) // the error says that there is no answer
}

func (c *commands) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *commands) addTask(t *task) {
	c.mu.Lock()
	c.tasks = append(c.tasks, t)
	c.mu.Unlock()
	c.signal()
}

func (c *commands) addPush(p *push) {
	c.mu.Lock()
	refusal := c.refusal
	if refusal == nil {
		c.pushes = append(c.pushes, p)
	}
	c.mu.Unlock()
	if refusal != nil {
		p.done(refusal)
		return
	}
	c.signal()
}

func (c *commands) addSettlement(s *settlement) {
	c.mu.Lock()
	c.settles = append(c.settles, s)
	c.mu.Unlock()
}

// do runs one command and waits for its answer, or for ctx. The answer, unless it
// is an error, is shown to the readers before do returns.
func (c *commands) do(ctx context.Context, add func(redis.Pipeliner) redis.Cmder, readers ...func(redis.Cmder)) error {
	type result struct {
		cmd redis.Cmder
		err error
	}
	answer := make(chan result, 1)
	c.addTask(&task{ctx: ctx, add: add, done: func(cmd redis.Cmder, err error) {
		if err == nil {
			err = cmd.Err()
		}
		answer <- result{cmd, err}
	}})
	select {
	case r := <-answer:
		if r.err == nil {
			for _, read := range readers {
				read(r.cmd)
			}
		}
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return transports.ErrClosed
	}
}

// hurry sends what waits at once, in the caller's goroutine, if nothing is under way:
// waking another one would cost more than the broker takes.
func (c *commands) hurry() {
	if !c.busy.TryLock() {
		c.signal()
		return
	}
	defer c.busy.Unlock()
	if conn := c.line.current(); conn != nil {
		if _, err := c.exchangeOn(conn); err == nil {
			return
		}
	}
	c.signal() // run is patient
}

// run sends what waits, and what nobody hurries. It ends with c.ctx.
func (c *commands) run() {
	const lostAfter = 2 // failures; a connection that is replaced at once is no news
	failures, reached := 0, false
	crowded := false // more than one thing left the last time
	idle := time.NewTimer(c.timing.idle)
	defer idle.Stop()
	for {
		select {
		case <-c.ctx.Done():
		case <-idle.C:
			// Keeps the connection from being closed as idle, and the clock right.
			c.addTask(c.readClock())
			idle.Reset(c.timing.idle)
		case <-c.wake:
		}
		if c.ctx.Err() != nil {
			c.busy.Lock()
			c.abandon()
			c.busy.Unlock()
			return
		}

		if crowded { // whoever is about to add something gets to do so first
			runtime.Gosched()
		}
		c.busy.Lock()
		sent, err := c.exchange()
		c.busy.Unlock()
		crowded = sent > 1
		if err == nil {
			if failures >= lostAfter && reached {
				c.log.Info("broker reached again")
			}
			failures, reached = 0, true
			continue
		}
		failures++
		if failures == lostAfter && reached {
			c.log.Warn("broker lost, trying again until it is back", "err", err)
		}
		c.pause(backoff(failures), err)
	}
}

// pause waits before the next attempt, failing meanwhile the pushes that have
// waited long enough for a broker. While any wait it is short, so that none fails
// that could have left.
func (c *commands) pause(d time.Duration, cause error) {
	start, hurry := time.Now(), jittered(c.timing.giveUp/3)
	for {
		c.failOverdue(cause)
		limit := d
		if c.pushesWait() {
			limit = min(d, hurry)
		}
		left := limit - time.Since(start)
		if left <= 0 || wait(c.ctx, min(left, c.timing.giveUp/6)) != nil {
			break
		}
	}
	c.signal()
}

func (c *commands) pushesWait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pushes) > 0
}

func (c *commands) failOverdue(cause error) {
	now := time.Now()
	var overdue []*push
	c.mu.Lock()
	waiting := c.pushes[:0]
	for _, p := range c.pushes {
		if now.After(p.due) || c.refusal != nil {
			overdue = append(overdue, p)
		} else {
			waiting = append(waiting, p)
		}
	}
	clear(c.pushes[len(waiting):])
	c.pushes = waiting
	c.mu.Unlock()
	for _, p := range overdue {
		p.done(unavailable(cause))
	}
}

// refuse records that the broker will not have us, until it does.
func (c *commands) refuse(refusal *transports.RefusedError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case refusal != nil && c.refusal == nil:
		c.refusal = refusal
		close(c.refused)
	case refusal == nil && c.refusal != nil:
		c.refusal = nil
		c.refused = make(chan struct{})
	}
}

// whenRefused returns a channel that is closed once the broker has refused us for
// a reason that only people can remove; refusalErr then says which.
func (c *commands) whenRefused() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

func (c *commands) refusalErr() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusal
}

func unavailable(cause error) error {
	return fmt.Errorf("%w: %w", transports.ErrUnavailable, cause)
}

func (c *commands) readClock() *task {
	var before time.Time
	return &task{
		ctx: c.ctx,
		add: func(p redis.Pipeliner) redis.Cmder {
			before = time.Now()
			return p.Time(c.ctx)
		},
		done: func(cmd redis.Cmder, err error) {
			if reading, ok := cmd.(*redis.TimeCmd); ok && err == nil && reading.Err() == nil {
				c.clock.set(reading.Val().UnixMilli(), before)
			}
		},
	}
}

// abandon fails what is left when the transport closes.
func (c *commands) abandon() {
	c.failTasks(transports.ErrClosed)
	c.mu.Lock()
	pushes := c.pushes
	c.pushes, c.settles = nil, nil
	c.refusal = transports.ErrClosed
	c.mu.Unlock()
	for _, p := range pushes {
		p.done(transports.ErrClosed)
	}
}

// exchange sends what waits, as much as one exchange may carry, and hands out the
// answers. c.busy is held. It returns how many things it sent; an error means that
// trying again needs a pause.
func (c *commands) exchange() (sent int, err error) {
	conn, err := c.connect()
	if refusal, ok := errors.AsType[*transports.RefusedError](err); ok || err == nil {
		c.refuse(refusal)
	}
	if err != nil {
		c.failTasks(err)
		return 0, err
	}
	return c.exchangeOn(conn)
}

// exchangeOn is exchange for a connection that is there.
func (c *commands) exchangeOn(conn *connection) (sent int, err error) {
	x := c.collect()
	sent = len(x.tasks) + len(x.settles) + len(x.pushes)
	unsent, err := c.line.execOn(conn, x.fill)
	tasks := x.resolveTasks(err, unsent)
	settles, settleErr := x.resolveSettlements(err, unsent)
	c.putBack(tasks, settles, x.resolvePushes(err, unsent))
	if x.noScript() {
		c.line.reset() // the next greeting loads them
		return sent, errors.New("the broker has lost the scripts")
	}
	return sent, cmp.Or(err, settleErr)
}

// connect returns the connection, and makes one where there is none. Nothing is
// collected before: what waits has surely not left, so it can be held back, and
// fails when it has waited long enough.
func (c *commands) connect() (*connection, error) {
	if conn := c.line.current(); conn != nil {
		return conn, nil
	}
	ctx, cancel := context.WithCancel(c.ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		patience := time.Now().Add(c.timing.giveUp)
		cause := fmt.Errorf("no connection to the broker within %v", c.timing.giveUp)
		for wait(ctx, c.timing.giveUp/6) == nil {
			c.failOverdue(cause)
			if time.Now().After(patience) {
				c.failTasks(cause)
			}
		}
	})
	return c.line.connect()
}

// takeTasks empties the queue of tasks and returns those for whose answer somebody waits.
func (c *commands) takeTasks() (tasks []*task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tasks {
		if t.ctx.Err() == nil {
			tasks = append(tasks, t)
		}
	}
	c.tasks = nil
	return tasks
}

// failTasks tells those who wait for an answer that there will be none: nothing was sent.
func (c *commands) failTasks(cause error) {
	for _, t := range c.takeTasks() {
		t.done(nil, cause)
	}
}

// collect takes what one exchange may carry out of the queues.
func (c *commands) collect() *exchange {
	x := &exchange{commands: c, tasks: c.takeTasks()}
	c.mu.Lock()
	var size int
	x.settles, size = takeSome(&c.settles, 0, (*settlement).size)
	pushes, _ := takeSome(&c.pushes, size, func(p *push) int { return p.size })
	more := len(c.settles)+len(c.pushes) > 0
	c.mu.Unlock()
	if more {
		c.signal()
	}
	for _, p := range pushes {
		if p.leave() { // a request whose caller has gone is not worth sending
			x.pushes = append(x.pushes, p)
		}
	}
	return x
}

// putBack queues what must be sent again in front of what came meanwhile.
func (c *commands) putBack(tasks []*task, settles []*settlement, pushes []*push) {
	if len(tasks)+len(settles)+len(pushes) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tasks = append(tasks, c.tasks...)
	c.settles = append(settles, c.settles...)
	c.pushes = append(pushes, c.pushes...)
}
