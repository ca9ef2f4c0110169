// Package lifetime has contexts for work that is nearly always over before anybody
// asks for its end.
package lifetime

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A Context ends with its parent, at its deadline or when it is cancelled, as those of
// package context do. It makes a timer and a channel only for who asks for Done: for
// a message that takes microseconds they would be a tenth of the cost. The zero value
// needs to be set with Init.
type Context struct {
	context.Context // the parent

	deadline time.Time // zero: none
	derived  atomic.Pointer[derived]

	mu  sync.Mutex // guards what follows, and the making of derived
	err error      // why it ended, where that was before derived was made
}

// derived is the same context as package context has it. Contexts that are derived
// from a Context hang on it, and so need no goroutine each.
type derived struct {
	context.Context
	cancel context.CancelFunc
}

// Init sets a context up that nobody uses yet. A zero deadline is none.
func (c *Context) Init(parent context.Context, deadline time.Time) {
	if earlier, ok := parent.Deadline(); ok && (deadline.IsZero() || earlier.Before(deadline)) {
		deadline = earlier
	}
	c.Context, c.deadline = parent, deadline
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	if d := c.derived.Load(); d != nil {
		return d.Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.derived.Load()
	if d == nil {
		d = new(derived)
		if c.deadline.IsZero() || errors.Is(c.err, context.Canceled) { // which the deadline does not change
			d.Context, d.cancel = context.WithCancel(c.Context)
		} else {
			d.Context, d.cancel = context.WithDeadline(c.Context, c.deadline)
		}
		if c.err != nil {
			d.cancel()
		}
		c.derived.Store(d)
	}
	return d.Done()
}

// Err implements context.Context.
func (c *Context) Err() error {
	if d := c.derived.Load(); d != nil {
		return d.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.derived.Load(); d != nil { // made meanwhile: there must not be two opinions
		return d.Err()
	}
	if c.err == nil {
		c.err = c.Context.Err()
	}
	if c.err == nil && !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// Value implements context.Context.
func (c *Context) Value(key any) any {
	if d := c.derived.Load(); d != nil {
		return d.Value(key)
	}
	return c.Context.Value(key)
}

// Cancel ends it, unless that has happened.
func (c *Context) Cancel() {
	if c.Err() == nil {
		c.Release()
	}
}

// Release is Cancel for when the work is over: it frees what was made, without asking
// for the time.
func (c *Context) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = context.Canceled
	}
	if d := c.derived.Load(); d != nil {
		d.cancel()
	}
}
