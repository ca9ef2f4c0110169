package redislist

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// A fetcher moves messages from the queue into a worker's backup list, on a
// connection of its own since it waits in Redis.
type fetcher struct {
	*server
	line     *line
	clientID atomic.Int64 // of the present connection; 0 where the server does not tell
	full     bool         // the last BLMOVE was refused for want of memory
	gathered []*entry     // taken and not begun
	carried  *settlement  // leaves with the next move
	crowd    int          // above 0: messages come in crowds; see crowdLasts
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

// round fills up to n slots, which it is given, and lets go of the others.
func (f *fetcher) round(ctx context.Context, w *worker, n int) (taken int, err error) {
	heard := w.heard()
	if heard.paused || heard.alone > 0 || heard.suspects > 0 {
		f.dropOff()
	}
	if heard.paused {
		w.awaitBeat(ctx)
		f.release(n)
		return 0, nil
	}
	if heard.alone > 0 && f.mayRunAlone() {
		return f.runAlone(ctx, w, n)
	}
	for _, e := range w.takeFound(n) {
		if f.gather(w, e) {
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
	f.beginGathered(w) // it must not wait for others to come
	raws, err := f.take(w, n)
	f.release(n - f.receive(ctx, w, raws, f.gather))
	return len(raws), err
}

// receive has what was taken begun, or puts it back, newest first, once ctx has
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

// gather notes that a message is to be begun, unless its worker died the last time:
// such a message goes where it is taken with care.
func (f *fetcher) gather(w *worker, e *entry) bool {
	if e.frame.deaths > 0 {
		f.putBack(w, e)
		return false
	}
	f.gathered = append(f.gathered, e)
	return true
}

// beginGathered has what was gathered begun, before more is asked for.
func (f *fetcher) beginGathered(w *worker) {
	if len(f.gathered) == 0 {
		return
	}
	for _, e := range f.gathered {
		f.begin(w, e)
	}
	clear(f.gathered)
	f.gathered = f.gathered[:0]
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
//
// While messages come one at a time it only asks how many there are behind the one
// that came: the script would cost a lone caller a tenth of its speed.
func (f *fetcher) take(w *worker, n int) (raws []string, err error) {
	var first *redis.StringCmd
	var more *redis.Cmd
	var behind *redis.IntCmd
	along := f.pickUp()
	unsent, lineErr := f.line.exec(func(p redis.Pipeliner) {
		along.send(p)
		if !f.full {
			first = p.BLMove(f.ctx, w.queue, w.backup, "RIGHT", "LEFT", f.timing.block)
			n--
		}
		switch {
		case n > 0 && (f.full || f.crowd > 0):
			more = takeScript.call(f.ctx, p, []string{w.queue, w.backup, w.keys.workers(w.service)}, n, maxExchange)
		case n > 0:
			behind = p.LLen(f.ctx, w.queue)
		}
	})
	along.arrive(lineErr, unsent)
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
	switch {
	case len(raws) > 1 || behind != nil && behind.Val() > 0:
		f.crowd = crowdLasts
	case f.crowd > 0:
		f.crowd--
	}
	return raws, cmp.Or(lineErr, err)
}

// crowdLasts is how many times in a row a message must come alone before the next are
// expected to. With less, a worker that is nearly as fast as its callers would go back
// and forth, at half the speed.
const crowdLasts = 16

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

// pickUp returns what the next move is to carry.
func (f *fetcher) pickUp() *along {
	out := f.carried
	if out == nil {
		return nil
	}
	f.carried = nil
	return f.commands.along([]*settlement{out}, nil)
}

// dropOff leaves to commands what no move has carried.
func (f *fetcher) dropOff() {
	if f.carried != nil {
		f.commands.addSettlement(f.carried)
		f.carried = nil
		f.commands.hurry()
	}
}
