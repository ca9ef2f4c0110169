package redislist

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
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
	wake   chan struct{} // holds a token while there may be something to send
	ctx    context.Context

	mu      sync.Mutex // guards what follows
	tasks   []*task
	settles []*settlement
	pushes  []*push
	refusal error         // permanent: wrong credentials, an unknown certificate, too old a server
	refused chan struct{} // closed while refusal is set
}

// A task is any single command. It is sent at most once.
type task struct {
	add  func(redis.Pipeliner) redis.Cmder
	done func(redis.Cmder, error) // the error says that there is no answer
}

// A push is one request on its way into a queue. It is sent at most once.
type push struct {
	ctx   context.Context
	queue string
	frame frame
	size  int
	due   time.Time // fails with ErrUnavailable when it could not be sent by then
	done  func(error)
}

// An exchange carries no more bytes than this, unless a single message is larger:
// batches of large messages are slower than one at a time.
const maxExchange = 256 << 10

// Nor more messages: a script of hundreds would keep other clients waiting.
const maxBatch = 128

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
	c.signal()
}

// do runs one command and waits for its answer, or for ctx. The answer, unless it
// is an error, is shown to the readers before do returns.
func (c *commands) do(ctx context.Context, add func(redis.Pipeliner) redis.Cmder, readers ...func(redis.Cmder)) error {
	type result struct {
		cmd redis.Cmder
		err error
	}
	answer := make(chan result, 1)
	c.addTask(&task{add: add, done: func(cmd redis.Cmder, err error) {
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

// run is the only user of the line. It ends with c.ctx.
func (c *commands) run() {
	failures := 0
	idle := time.NewTimer(c.timing.idle)
	defer idle.Stop()
	for {
		select {
		case <-c.ctx.Done():
			c.abandon()
			return
		case <-idle.C:
			// Keeps the connection from being closed as idle, and the clock right.
			c.addTask(c.readClock())
		case <-c.wake:
		}
		idle.Reset(c.timing.idle)

		// Whoever is about to add something gets to do so first.
		runtime.Gosched()
		err := c.exchange()
		if err == nil {
			failures = 0
			continue
		}
		failures++
		c.pause(backoff(failures), err)
	}
}

// pause waits before the next attempt, failing meanwhile the pushes that have
// waited long enough for a broker.
func (c *commands) pause(d time.Duration, cause error) {
	end := time.Now().Add(d)
	for {
		c.failOverdue(cause)
		left := time.Until(end)
		if left <= 0 || wait(c.ctx, min(left, c.timing.giveUp/6)) != nil {
			break
		}
	}
	c.mu.Lock()
	more := len(c.tasks)+len(c.settles)+len(c.pushes) > 0
	c.mu.Unlock()
	if more {
		c.signal()
	}
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
func (c *commands) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if (err == nil) == (c.refusal == nil) {
		return
	}
	c.refusal = err
	if err != nil {
		close(c.refused)
	} else {
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
	c.mu.Lock()
	tasks, pushes := c.tasks, c.pushes
	c.tasks, c.pushes, c.settles = nil, nil, nil
	c.refusal = transports.ErrClosed
	c.mu.Unlock()
	for _, t := range tasks {
		t.done(nil, transports.ErrClosed)
	}
	for _, p := range pushes {
		p.done(transports.ErrClosed)
	}
}

// exchange sends what waits, as much as one exchange may carry, and hands out the
// answers. An error means that the line is gone.
func (c *commands) exchange() error {
	c.mu.Lock()
	tasks := c.tasks
	c.tasks = nil
	settles, size := takeSome(&c.settles, 0, func(s *settlement) int { return s.size() })
	pushes, _ := takeSome(&c.pushes, size, func(p *push) int { return p.size })
	more := len(c.settles)+len(c.pushes) > 0
	c.mu.Unlock()
	if more {
		c.signal()
	}
	// A request whose caller has gone was never worth sending.
	live := pushes[:0]
	for _, p := range pushes {
		if p.ctx.Err() == nil {
			live = append(live, p)
		}
	}
	pushes = live

	answers := make([]redis.Cmder, len(tasks))
	var settled []settledBatch
	var pushed []pushedBatch
	unsent, err := c.line.exec(func(p redis.Pipeliner) {
		for i, t := range tasks {
			answers[i] = t.add(p)
		}
		settled = sendSettlements(c.ctx, p, settles)
		pushed = c.sendPushes(p, pushes)
	})

	var retry error
	if err != nil {
		var refused *refusal
		if errors.As(err, &refused) {
			c.refuse(unavailable(err))
		}
	} else {
		c.refuse(nil)
	}
	for i, t := range tasks {
		t.done(answers[i], answerErr(answers[i], err, unsent))
	}
	for i := range settled {
		b := &settled[i]
		if again := b.resolve(answerErr(b.cmd, err, unsent)); len(again) > 0 {
			c.mu.Lock()
			c.settles = append(again, c.settles...)
			c.mu.Unlock()
			retry = errors.New("settle messages: not answered")
			if b.cmd.Err() != nil {
				retry = fmt.Errorf("settle messages: %w", b.cmd.Err())
			}
		}
	}
	if unsent && err != nil {
		// Nothing left this process, so all of it can wait for the next connection.
		c.mu.Lock()
		if len(settled) == 0 {
			c.settles = append(settles, c.settles...)
		}
		c.pushes = append(pushes, c.pushes...)
		c.mu.Unlock()
		return err
	}
	for _, b := range pushed {
		b.resolve(answerErr(b.cmd, err, unsent))
	}
	if err == nil {
		err = retry
	}
	for _, cmd := range answers {
		if err == nil && cmd != nil && cmd.Err() != nil && noScript(cmd.Err()) {
			err = cmd.Err()
		}
	}
	if err != nil && noScript(err) {
		c.line.reset() // the greeting loads them
	}
	return err
}

// answerErr returns nil if the broker answered cmd, though perhaps with an error of its own.
func answerErr(cmd redis.Cmder, lineErr error, unsent bool) error {
	if lineErr == nil {
		return nil
	}
	if unsent || cmd == nil {
		return lineErr
	}
	if err := cmd.Err(); err != nil && !answered(err) {
		return lineErr
	}
	return nil
}

func noScript(err error) bool { return strings.Contains(err.Error(), "NOSCRIPT") }

// takeSome removes from queue what fits into one exchange that holds size bytes already.
func takeSome[T any](queue *[]T, size int, sizeOf func(T) int) ([]T, int) {
	n := 0
	for n < len(*queue) && n < maxBatch {
		s := sizeOf((*queue)[n])
		if size > 0 && size+s > maxExchange {
			break
		}
		size += s
		n++
	}
	taken := (*queue)[:n:n]
	*queue = (*queue)[n:]
	if len(*queue) == 0 {
		*queue = nil
	}
	return taken, size
}

// A pushedBatch is one variadic LPUSH.
type pushedBatch struct {
	cmd    redis.Cmder
	pushes []*push
}

func (c *commands) sendPushes(p redis.Pipeliner, pushes []*push) []pushedBatch {
	var batches []pushedBatch
	index := make(map[string]int, 1)
	for _, push := range pushes {
		i, ok := index[push.queue]
		if !ok {
			i = len(batches)
			index[push.queue] = i
			batches = append(batches, pushedBatch{})
		}
		batches[i].pushes = append(batches[i].pushes, push)
	}
	for i := range batches {
		values := make([]any, len(batches[i].pushes))
		for j, push := range batches[i].pushes {
			values[j] = c.encode(push.frame)
		}
		batches[i].cmd = p.LPush(c.ctx, batches[i].pushes[0].queue, values...)
	}
	return batches
}

// encode returns a request as it leaves. Only then is the broker's clock sure to be known.
func (c *commands) encode(f frame) string {
	if f.bare {
		return string(f.Body)
	}
	if !f.Expires.IsZero() {
		f.Expires = c.clock.toBroker(f.Expires)
	}
	f.Enqueued = c.clock.now()
	return f.encode()
}

func (b pushedBatch) resolve(lineErr error) {
	err := b.cmd.Err()
	switch {
	case lineErr != nil:
		err = fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, lineErr)
	case err != nil:
		err = unavailable(fmt.Errorf("broker refused the request: %w", err))
	}
	for _, p := range b.pushes {
		p.done(err)
	}
}
