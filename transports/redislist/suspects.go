package redislist

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/redis/go-redis/v9"
)

// Suspects are messages that were running when a worker died. One of them may be
// what killed it, and all those that run beside it when it strikes again get one
// more death. So that its neighbours are not given up in its place:
//
//   - a message with one or two deaths runs beside ordinary work, but with few others of its kind,
//   - one with three runs alone in its process, so that a fourth is its own doing,
//   - one with four is not run again: it becomes a dead letter, and its caller is told.
//
// More caution would cost more than it saves: most workers die of something else, and
// what they ran must soon run again.
//
// Success forgets the deaths, since they are written in the message alone.
const mostDeaths = 3

// runSuspects begins messages with one or two deaths in up to n slots, as many as may run
// at once. It returns how many slots it has used.
func (f *fetcher) runSuspects(ctx context.Context, w *worker, n int) (begun int, err error) {
	room := 0
	for room < n {
		select {
		case f.cautious <- struct{}{}:
			room++
			continue
		default:
		}
		break
	}
	if room == 0 {
		return 0, nil // whichever ends first stirs the fetcher
	}
	raws, err := f.takeSuspects(w, w.keys.suspects(w.service), room)
	if err == nil && len(raws) == 0 {
		w.exhausted(false)
	}
	begun = f.receive(ctx, w, raws, func(w *worker, e *entry) bool {
		e.cautious = true
		f.begin(w, e)
		return true
	})
	for range room - begun {
		<-f.cautious
	}
	return begun, err
}

// runAlone empties this process and runs what must run alone, if it is this
// worker's turn to do so. It is given n slots and lets go of them.
//
// A handler that runs alone and calls its own service waits for another worker to
// answer; where there is none, it runs into its deadline.
func (f *fetcher) runAlone(ctx context.Context, w *worker, n int) (taken int, err error) {
	defer func() { f.release(n) }()
	mine, err := f.takeTurn(w)
	if err != nil || !mine {
		w.exhausted(true) // until the next beat
		return 0, err
	}
	defer f.giveTurn(w)
	patience := time.NewTimer(f.timing.lease) // one long job must not keep all others from being taken
	defer patience.Stop()
	for ctx.Err() == nil && !w.heard().paused {
		got, quiet := f.empty(ctx, w, cap(f.slots)-n, patience.C)
		if n += got; !quiet {
			f.busy = time.Now()
			break
		}
		w.awaitLease(ctx, f.timing.lease)
		raws, err := f.takeSuspects(w, w.keys.alone(w.service), 1, w.keys.turn(w.service))
		begun := f.receive(ctx, w, raws, func(w *worker, e *entry) bool {
			f.begin(w, e)
			return true
		})
		patience.Stop() // the next wait is for the message that runs alone
		n -= begun
		taken += begun
		if begun == 0 || err != nil {
			w.exhausted(true)
			return taken, err
		}
	}
	return taken, nil
}

// empty waits until nothing runs in this process and nothing is left in its backup
// list. It acquires slots and returns how many, and whether it came to that.
func (f *fetcher) empty(ctx context.Context, w *worker, slots int, limit <-chan time.Time) (got int, quiet bool) {
	for _, e := range w.takeFound(math.MaxInt) {
		f.putBack(w, e) // adopted and not begun
	}
	for got < slots {
		select {
		case f.slots <- struct{}{}:
			got++
		case <-limit:
			return got, false
		case <-ctx.Done():
			return got, false
		}
	}
	// A handler lets go of its slot before its message is settled.
	select {
	case <-w.quiet():
		return got, true
	case <-limit:
	case <-ctx.Done():
	}
	return got, false
}

// mayRunAlone reports whether this worker should try to empty itself: not again for
// a while after a long job has kept it from that.
func (f *fetcher) mayRunAlone() bool { return time.Since(f.busy) > 4*f.timing.lease }

// takeSuspects moves up to n messages from a list of suspects into the backup list,
// with a turn only while that is this worker's.
func (f *fetcher) takeSuspects(w *worker, list string, n int, turn ...string) (raws []string, err error) {
	var cmd *redis.Cmd
	_, lineErr := f.line.exec(func(p redis.Pipeliner) {
		keys := append([]string{list, w.backup, w.keys.workers(w.service)}, turn...)
		cmd = suspectScript.call(f.ctx, p, keys, w.id, n, maxExchange)
	})
	w.note(lineErr)
	if cmd != nil {
		raws, err = cmd.StringSlice()
	}
	return raws, cmp.Or(lineErr, err)
}

func (f *fetcher) takeTurn(w *worker) (mine bool, err error) {
	var cmd *redis.Cmd
	_, err = f.line.exec(func(p redis.Pipeliner) {
		cmd = f.turn(p, w, f.timing.lease)
	})
	if err != nil {
		return false, err
	}
	n, err := cmd.Int64()
	return n == 1, err
}

// giveTurn lets another worker run messages alone. Where that fails the turn
// expires with the lease.
func (f *fetcher) giveTurn(w *worker) {
	f.commands.addTask(&task{
		ctx:  f.ctx,
		add:  func(p redis.Pipeliner) redis.Cmder { return f.turn(p, w, 0) },
		done: func(redis.Cmder, error) {},
	})
}

func (f *fetcher) turn(p redis.Pipeliner, w *worker, lease time.Duration) *redis.Cmd {
	keys := []string{w.keys.turn(w.service), w.keys.workers(w.service)}
	return turnScript.call(f.ctx, p, keys, w.id, lease.Milliseconds())
}
