package redislist

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Suspects are messages that were running when a worker died. One of them may be
// what killed it, and all those that run beside it when it strikes again get one
// more death. So that its neighbours are not given up in its place:
//
//   - a message with one death runs beside ordinary work, but with few others of its kind,
//   - one with two or three runs alone in its process, so that a further death is its own doing,
//   - one with more is not run again: it becomes a dead letter, and its caller is told.
//
// Success forgets the deaths, since they are written in the message alone.
const mostDeaths = 3

// runSuspects begins messages with one death in up to n slots, as many as may run
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
	if err == nil && len(raws) < room {
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
func (f *fetcher) runAlone(ctx context.Context, w *worker, n int) (taken int, err error) {
	defer func() { f.release(n) }()
	mine, err := f.takeTurn(w)
	if err != nil || !mine {
		w.exhausted(true) // until the next beat
		return 0, err
	}
	defer f.giveTurn(w)
	for {
		for n < cap(f.slots) {
			select {
			case f.slots <- struct{}{}:
				n++
			case <-ctx.Done():
				return taken, nil
			}
		}
		raws, err := f.takeSuspects(w, w.keys.alone(w.service), 1, w.id)
		if len(raws) == 0 {
			w.exhausted(true)
			return taken, err
		}
		begun := f.receive(ctx, w, raws, func(w *worker, e *entry) bool {
			f.begin(w, e)
			return true
		})
		n -= begun
		taken++
		if err != nil {
			return taken, err
		}
	}
}

// takeSuspects moves up to n messages from a list of suspects into the backup list.
func (f *fetcher) takeSuspects(w *worker, list string, n int, turn ...any) (raws []string, err error) {
	var cmd *redis.Cmd
	lineErr := f.line.exec(func(p redis.Pipeliner) {
		args := append([]any{n, maxExchange}, turn...)
		cmd = suspectScript.call(f.ctx, p, []string{list, w.backup, w.keys.turn(w.service)}, args...)
	})
	w.note(lineErr)
	if cmd != nil {
		raws, err = cmd.StringSlice()
	}
	if lineErr != nil {
		err = lineErr
	}
	return raws, err
}

func (f *fetcher) takeTurn(w *worker) (mine bool, err error) {
	var cmd *redis.Cmd
	err = f.line.exec(func(p redis.Pipeliner) {
		cmd = turnScript.call(f.ctx, p, []string{w.keys.turn(w.service)}, w.id, f.timing.lease.Milliseconds())
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
		ctx: f.ctx,
		add: func(p redis.Pipeliner) redis.Cmder {
			return turnScript.call(f.ctx, p, []string{w.keys.turn(w.service)}, w.id, 0)
		},
		done: func(redis.Cmder, error) {},
	})
}
