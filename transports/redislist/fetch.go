package redislist

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// A fetcher moves messages from the queue into a worker's backup list, on a
// connection of its own since it waits in Redis.
type fetcher struct {
	*server
	line     *line
	clientID atomic.Int64 // of the present connection; 0 where the server does not tell
}

func newFetcher(s *server) *fetcher {
	f := &fetcher{server: s}
	f.line = s.newLine("queue "+s.service.Name, s.timing.block, f.greetBroker)
	return f
}

func (f *fetcher) greetBroker(ctx context.Context, client *redis.Client) error {
	if err := takeScript.load(ctx, client).Err(); err != nil {
		return explainGreeting(err)
	}
	id, _ := client.ClientID(ctx).Result() // the built-in development broker has none
	f.clientID.Store(id)
	return nil
}

// close ends the fetcher's connection.
func (f *fetcher) close() {
	f.line.close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.lines, f.line)
}

// run takes messages while there are free slots, until ctx ends. It returns an
// error when the queue's key can never be taken from.
func (f *fetcher) run(ctx context.Context, w *worker) error {
	for failures := 0; ; {
		n := f.acquire(ctx)
		if n == 0 {
			return nil
		}
		w.awaitLease(ctx, f.timing.lease)
		for _, e := range w.takeFound(n) {
			f.begin(w, e)
			n--
		}
		if n == 0 {
			continue
		}
		raws, err := f.take(w, n)
		if len(raws) > 0 {
			w.awaitLease(ctx, f.timing.lease)
		}
		for _, raw := range raws {
			switch e := w.take(raw); {
			case e != nil && ctx.Err() == nil:
				f.begin(w, e)
				n--
			case e != nil:
				f.putBack(w, e)
			}
		}
		f.release(n)
		switch {
		case err == nil:
			failures = 0
			continue
		case strings.Contains(err.Error(), "WRONGTYPE"):
			return fmt.Errorf("key %s holds no list: something else uses the service's name; set JOURNEYMAN_NAMESPACE: %w", w.queue, err)
		case isNoScript(err):
			f.line.reset()
		}
		failures++
		f.log.Debug("take requests", "service", f.service.Name, "error", err)
		if len(raws) == 0 && wait(ctx, backoff(failures)) != nil {
			return nil
		}
	}
}

// acquire waits for a free slot and takes as many as are free, up to one batch.
// It returns 0 once ctx has ended.
func (f *fetcher) acquire(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case f.slots <- struct{}{}:
	}
	n := 1
	for n < maxBatch {
		select {
		case f.slots <- struct{}{}:
			n++
			continue
		default:
		}
		break
	}
	if ctx.Err() != nil {
		f.release(n)
		return 0
	}
	return n
}

func (f *fetcher) release(n int) {
	for range n {
		<-f.slots
	}
}

// take waits for one message and takes with it what else is there, n at most.
// Whatever was moved is returned, with or without an error.
func (f *fetcher) take(w *worker, n int) ([]string, error) {
	var first *redis.StringCmd
	var more *redis.Cmd
	_, err := f.line.exec(func(p redis.Pipeliner) {
		first = p.BLMove(f.ctx, w.queue, w.backup, "RIGHT", "LEFT", f.timing.block)
		if n > 1 {
			more = takeScript.call(f.ctx, p, []string{w.queue, w.backup, w.keys.workers(w.service)}, n-1, maxExchange)
		}
	})
	var raws []string
	if first != nil {
		if raw, e := first.Result(); e == nil {
			raws = append(raws, raw)
		} else if err == nil && !errors.Is(e, redis.Nil) {
			// "OOM": a full Redis refuses BLMOVE; the script gets through.
			err = e
		}
	}
	if more != nil {
		if taken, e := more.StringSlice(); e == nil {
			raws = append(raws, taken...)
		} else if err == nil {
			err = e
		}
	}
	return raws, err
}

// unblock ends a wait in Redis and returns when the fetcher has stopped. A
// connection is not cut while the broker could still move a message on it, unless
// the broker stands still; what it moves then on waking up is found by others.
func (f *fetcher) unblock(ctx context.Context, stopped <-chan error) {
	limit := time.NewTimer(f.timing.block + f.timing.closing)
	defer limit.Stop()
	again := time.NewTicker(f.timing.closing / 20)
	defer again.Stop()
	for {
		if id := f.clientID.Load(); id != 0 {
			f.commands.addTask(&task{
				ctx:  ctx,
				add:  func(p redis.Pipeliner) redis.Cmder { return p.ClientUnblock(ctx, id) },
				done: func(redis.Cmder, error) {},
			})
		}
		select {
		case <-stopped:
			return
		case <-again.C:
		case <-limit.C:
			f.close()
			<-stopped
			return
		}
	}
}

// putBack returns a message that arrived after this process stopped taking. It was
// never begun, so nothing is noted on it.
func (s *server) putBack(w *worker, e *entry) {
	if w.end(e) {
		s.settle(w, &settlement{entry: e, action: actReturn, next: e.raw})
	}
}

// begin starts the handler of a message that holds a slot.
func (s *server) begin(w *worker, e *entry) {
	ctx, cancel := context.WithCancelCause(s.values)
	if !w.begin(e, cancel) {
		cancel(nil)
		<-s.slots
		return
	}
	s.handlers.Go(func() {
		defer func() { <-s.slots }()
		defer cancel(nil)
		s.handle(ctx, w, e)
	})
}

// handle runs one message to its settlement.
func (s *server) handle(ctx context.Context, w *worker, e *entry) {
	m := e.frame.Message
	outcome := transports.Outcome{}
	if !m.Expires.IsZero() && !s.clock.now().Before(m.Expires) {
		// Its caller has gone; nobody would see the result.
		s.stats.expired.Add(1)
	} else {
		if !m.Expires.IsZero() {
			m.Expires = s.clock.toLocal(m.Expires)
			var stop context.CancelFunc
			ctx, stop = context.WithDeadline(ctx, m.Expires)
			defer stop()
		}
		if !m.Enqueued.IsZero() {
			m.Enqueued = s.clock.toLocal(m.Enqueued)
		}
		outcome = s.call(ctx, m)
	}
	if !w.end(e) {
		// Given back or fenced: the result is somebody else's to give.
		s.stats.notMine.Add(1)
		return
	}
	// The slot is free for the next message before the broker has settled this
	// one; but a broker that does not answer must not let results pile up.
	select {
	case s.unsettled <- struct{}{}:
		out := s.settlementOf(e, outcome)
		out.counted = true
		s.settle(w, out)
	case <-s.ctx.Done():
	}
}
