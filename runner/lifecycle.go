package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/journeyman-go/journeyman/internal/footprint"
	"github.com/journeyman-go/journeyman/internal/heap"
	"github.com/journeyman-go/journeyman/transports"
)

const (
	// closeGrace bounds the hard stop: Heroku leaves five seconds after a drain
	// of 25. Whoever is killed earlier loses nothing by it, as the broker gives
	// the work of a dead process to another.
	closeGrace = 3 * time.Second

	// abandonGrace is for the broker to hear of what was abandoned.
	abandonGrace = time.Second

	// insist is how long after the first signal a Ctrl-C counts as a second one.
	// Foreman sends SIGTERM within a second after the terminal's SIGINT, "heroku
	// local" sends SIGINT twice, Dokku and Heroku repeat SIGTERM.
	insist = 2 * time.Second
)

// A lifecycle carries work from its start to its end, by one clock: a signal,
// then up to drain for what runs, then the hard stop.
type lifecycle struct {
	signals  <-chan os.Signal
	terminal bool // somebody sits there who can press Ctrl-C
	drain    time.Duration
	log      *slog.Logger
}

// work is what serve and web have in common.
type work struct {
	run     func(taking context.Context) error // until taking ends and what was taken is finished
	close   func() error                       // the hard stop, after which run returns soon
	running func() int64                       // calls in hand
	ending  <-chan error                       // why the process should make room for a fresh one; may be nil
	abandon func()                             // lets go of what that was; may be nil
	stop    func()                             // told first, to report not ready; may be nil
}

// run returns nil after a stop that was asked for, even if calls had to be handed
// back, and an error if the work ended by itself or asked for the end.
func (l lifecycle) run(ctx context.Context, w work) error {
	defer heap.Tune(os.Getenv("GOGC"))()
	defer footprint.Settle()()
	taking, stopTaking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTaking()
	done := make(chan error, 1)
	go func() { done <- w.run(taking) }()

	var first os.Signal
	var reason error
	select {
	case err := <-done:
		l.close(w, nil)
		if err == nil {
			err = errors.New("stopped without having been asked to")
		}
		return err
	case <-ctx.Done():
	case first = <-l.signals:
	case reason = <-w.ending:
		l.log.Error(reason.Error())
	}

	began := time.Now()
	l.log.Info("stopping", "signal", name(first), "running", w.running(), "drain", l.drain.String())
	if w.stop != nil {
		w.stop()
	}
	stopTaking()

	handedBack := int64(0)
	finished, err := l.await(w, done, began)
	if !finished && reason != nil && w.abandon != nil {
		w.abandon() // and not handed back, which would say that nothing was wrong with it
		select {
		case err = <-done:
			finished = true
		case <-time.After(abandonGrace):
		}
	}
	if finished {
		l.close(w, nil)
	} else {
		if handedBack = w.running(); handedBack > 0 {
			l.log.Warn("handing back what is not finished", "running", handedBack)
		}
		err = l.close(w, done)
	}
	l.log.Info("stopped", "after", time.Since(began).Round(time.Millisecond).String(), "handed_back", handedBack)
	return cmp.Or(reason, err)
}

// await waits for the work to finish, for the drain to be over, or for somebody
// at a terminal to lose patience.
func (l lifecycle) await(w work, done <-chan error, began time.Time) (finished bool, err error) {
	drain := time.NewTimer(l.drain)
	defer drain.Stop()
	var invite <-chan time.Time
	if l.terminal {
		invite = time.After(insist)
	}
	for {
		select {
		case err := <-done:
			return true, err
		case <-drain.C:
			return false, nil
		case <-invite:
			l.log.Info(fmt.Sprintf("press Ctrl-C again to abandon %d calls", w.running()))
		case s := <-l.signals:
			if s == os.Interrupt && l.terminal && time.Since(began) >= insist {
				return false, nil
			}
		}
	}
}

// close makes the hard stop and, where done is given, waits for the work to end;
// for neither longer than closeGrace.
func (l lifecycle) close(w work, done <-chan error) error {
	closed := make(chan error, 1)
	go func() { closed <- w.close() }()
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	for closed != nil || done != nil {
		select {
		case err := <-closed:
			if closed = nil; err != nil {
				l.log.Warn("closing", "err", err)
			}
		case err := <-done:
			if done = nil; err != nil && !errors.Is(err, transports.ErrClosed) {
				return err
			}
		case <-grace.C:
			if n := w.running(); n > 0 {
				l.log.Warn("leaving calls that do not heed their cancellation", "running", n)
			}
			return nil
		}
	}
	return nil
}

func name(s os.Signal) string {
	if s == nil {
		return "none"
	}
	return s.String()
}
