package redislist

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A taking is the fetcher's work for one worker. The goroutine that does it runs what
// comes alone, and may have another go on meanwhile; see inline.
type taking struct {
	ctx     context.Context // ends it
	fetcher *fetcher
	worker  *worker
	stopped chan<- error // gets the error when nothing can ever be taken, nil at the end of ctx

	failures int
	since    time.Time // when the present row of failures began
	inline   inline
}

// run takes messages while there are free slots, and has them begun by other
// goroutines, until one comes alone: that is returned, for handle. At the end it returns
// nil.
func (t *taking) run() *entry {
	f, w := t.fetcher, t.worker
	for {
		n := f.acquire(t.ctx)
		if n == 0 {
			f.dropOff()
			t.stopped <- nil
			return nil
		}
		if !w.isLeased(f.timing.lease) {
			f.dropOff()
			w.awaitLease(t.ctx, f.timing.lease)
		}
		taken, err := f.round(t.ctx, w, n)
		f.dropOff() // of a round without a move
		if err != nil {
			if end, why := t.failed(taken, err); end {
				f.beginGathered(w)
				t.stopped <- why
				return nil
			}
		} else {
			t.failures = 0
		}
		if len(f.gathered) == 1 {
			e := f.gathered[0]
			clear(f.gathered) // it may be large
			f.gathered = f.gathered[:0]
			f.handlers.Add(1)
			return e
		}
		f.beginGathered(w)
	}
}

// failed waits for the time to try again, or says that there is an end, and why.
func (t *taking) failed(taken int, err error) (end bool, why error) {
	f := t.fetcher
	if err := f.permanent(err); err != nil {
		return true, err
	}
	if isNoScript(err) {
		f.line.reset() // the next greeting loads them
	}
	if t.failures == 0 || !t.worker.isLeased(f.timing.lease) {
		t.since = time.Now() // a broker that answers nothing is no stall of this service
	}
	if time.Since(t.since) > f.timing.stall {
		return true, fmt.Errorf("%w: the broker answers, but nothing could be taken for %s: %w", transports.ErrStalled, f.timing.stall, err)
	}
	t.failures++
	level := slog.LevelDebug
	if t.failures == 5 { // it is no hiccup
		level = slog.LevelWarn
	}
	f.log.Log(t.ctx, level, "cannot take requests", "service", f.service.Name, "err", err)
	return taken == 0 && wait(t.ctx, backoff(t.failures)) != nil, nil
}
