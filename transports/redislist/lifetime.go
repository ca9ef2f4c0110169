package redislist

import (
	"context"
	"sync"
	"time"
)

// A lifetime is the context of one message's handler. It makes its channel and its
// timer for those who ask for them alone: nearly all handlers return without, and a
// context of the standard library would cost them a tenth of what a message costs.
type lifetime struct {
	context.Context           // its values; it never ends
	deadline        time.Time // zero: none

	mu    sync.Mutex // guards what follows
	done  chan struct{}
	timer *time.Timer
	err   error
}

// Deadline implements context.Context.
func (l *lifetime) Deadline() (time.Time, bool) { return l.deadline, !l.deadline.IsZero() }

// Done implements context.Context.
func (l *lifetime) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		switch {
		case l.err != nil:
			close(l.done)
		case !l.deadline.IsZero():
			l.timer = time.AfterFunc(time.Until(l.deadline), func() { l.end(context.DeadlineExceeded) })
		}
	}
	return l.done
}

// Err implements context.Context.
func (l *lifetime) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && !l.deadline.IsZero() && !time.Now().Before(l.deadline) {
		l.endLocked(context.DeadlineExceeded)
	}
	return l.err
}

// cancel ends it, unless its deadline has done so.
func (l *lifetime) cancel() {
	if l.Err() == nil {
		l.end(context.Canceled)
	}
}

// release is for when the handler has returned: whoever kept it must not wait longer.
func (l *lifetime) release() { l.end(context.Canceled) }

func (l *lifetime) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(err)
}

func (l *lifetime) endLocked(err error) {
	if l.err != nil {
		return
	}
	l.err = err
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.done != nil {
		close(l.done)
	}
}
