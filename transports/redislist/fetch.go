package redislist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	full     bool         // the last BLMOVE was refused for want of memory
	busy     time.Time    // when a long job last kept this worker from running a message alone
}

func newFetcher(s *server) *fetcher {
	f := &fetcher{server: s}
	f.line = s.newLine("queue "+s.service.Name, s.timing.block, f.greetBroker)
	return f
}

func (f *fetcher) greetBroker(ctx context.Context, client *redis.Client) error {
	for _, s := range []script{takeScript, suspectScript, turnScript} {
		if err := s.load(ctx, client).Err(); err != nil {
			return explainGreeting(err)
		}
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
// error when nothing can ever be taken.
func (f *fetcher) run(ctx context.Context, w *worker) error {
	var since time.Time // when the present row of failures began
	for failures := 0; ; {
		n := f.acquire(ctx)
		if n == 0 {
			return nil
		}
		w.awaitLease(ctx, f.timing.lease)
		taken, err := f.round(ctx, w, n)
		if err == nil {
			failures = 0
			continue
		}
		if err := f.permanent(err); err != nil {
			return err
		}
		if isNoScript(err) {
			f.line.reset() // the next greeting loads them
		}
		if failures == 0 || !w.isLeased(f.timing.lease) {
			since = time.Now() // a broker that answers nothing is no stall of this service
		}
		if time.Since(since) > f.timing.stall {
			return fmt.Errorf("%w: the broker answers, but nothing could be taken for %s: %w", transports.ErrStalled, f.timing.stall, err)
		}
		failures++
		level := slog.LevelDebug
		if failures == 5 { // it is no hiccup
			level = slog.LevelWarn
		}
		f.log.Log(ctx, level, "cannot take requests", "service", f.service.Name, "err", err)
		if taken == 0 && wait(ctx, backoff(failures)) != nil {
			return nil
		}
	}
}

// round fills up to n slots, which it is given, and lets go of the others.
func (f *fetcher) round(ctx context.Context, w *worker, n int) (taken int, err error) {
	heard := w.heard()
	if heard.paused {
		w.awaitBeat(ctx)
		f.release(n)
		return 0, nil
	}
	if heard.alone > 0 && f.mayRunAlone() {
		return f.runAlone(ctx, w, n)
	}
	for _, e := range w.takeFound(n) {
		if f.beginOrdinary(w, e) {
			n--
		}
	}
	if heard.suspects > 0 && n > 0 {
		begun, err := f.runSuspects(ctx, w, n)
		if n -= begun; err != nil {
			f.release(n)
			return begun, err
		}
	}
	if n == 0 {
		return 0, nil
	}
	raws, err := f.take(w, n)
	f.release(n - f.receive(ctx, w, raws, f.beginOrdinary))
	return len(raws), err
}

// receive begins what was taken, or puts it back, newest first, once ctx has
// ended. It returns how many were begun.
func (f *fetcher) receive(ctx context.Context, w *worker, raws []string, begin func(*worker, *entry) bool) (begun int) {
	if len(raws) > 0 {
		w.awaitLease(ctx, f.timing.lease)
	}
	var late []*entry
	for _, raw := range raws {
		switch e := w.take(raw); {
		case e == nil:
		case ctx.Err() != nil:
			late = append(late, e)
		case begin(w, e):
			begun++
		}
	}
	for _, e := range slices.Backward(late) {
		f.putBack(w, e)
	}
	return begun
}

// beginOrdinary starts the handler of a message, unless its worker died the last
// time: such a message goes where it is taken with care.
func (f *fetcher) beginOrdinary(w *worker, e *entry) bool {
	if e.frame.deaths > 0 {
		f.putBack(w, e)
		return false
	}
	f.begin(w, e)
	return true
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
func (f *fetcher) take(w *worker, n int) (raws []string, err error) {
	var first *redis.StringCmd
	var more *redis.Cmd
	lineErr := f.line.exec(func(p redis.Pipeliner) {
		if !f.full {
			first = p.BLMove(f.ctx, w.queue, w.backup, "RIGHT", "LEFT", f.timing.block)
			n--
		}
		if n > 0 {
			more = takeScript.call(f.ctx, p, []string{w.queue, w.backup, w.keys.workers(w.service)}, n, maxExchange)
		}
	})
	w.note(lineErr)
	if first != nil {
		raw, e := first.Result()
		switch {
		case e == nil:
			raws = append(raws, raw)
		case !errors.Is(e, redis.Nil):
			err = e
		}
	}
	if more != nil {
		taken, e := more.StringSlice()
		raws = append(raws, taken...)
		err = cmp.Or(err, e)
	}
	// A full Redis refuses BLMOVE, so that its queue could never be drained; the
	// script gets through, but cannot wait.
	f.full = err != nil && strings.Contains(err.Error(), "OOM") || f.full && len(raws) > 0
	return raws, cmp.Or(lineErr, err)
}

// stir ends a wait in Redis, so that the fetcher looks what else there is to do.
func (f *fetcher) stir() {
	id := f.clientID.Load()
	if id == 0 {
		return
	}
	f.commands.addTask(&task{
		ctx:  f.ctx,
		add:  func(p redis.Pipeliner) redis.Cmder { return p.ClientUnblock(f.ctx, id) },
		done: func(redis.Cmder, error) {},
	})
}

// unblock ends a wait in Redis and returns when the fetcher has stopped. A
// connection is not cut while the broker could still move a message on it, unless
// the broker stands still; what it moves then on waking up is found by others.
func (f *fetcher) unblock(stopped <-chan error) {
	limit := time.NewTimer(f.timing.block + f.timing.closing)
	defer limit.Stop()
	again := time.NewTicker(f.timing.closing / 20)
	defer again.Stop()
	for {
		f.stir()
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
