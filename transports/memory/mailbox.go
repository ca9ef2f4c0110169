package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A box holds the reply to a submitted call. What changes is guarded by its broker's mutex.
type box struct {
	name    string
	expires time.Time     // of the call
	keep    time.Duration // how long a reply stays
	come    chan struct{} // closed when there is a reply

	until time.Time // when the box goes
	full  bool
	reply reply
}

// lateReply is how long after a call's deadline its reply may still come: its handler
// is told at the deadline, and answers then.
const lateReply = time.Second

// putLocked keeps the first reply.
func (b *box) putLocked(r reply) {
	if b.full {
		return
	}
	b.full, b.reply, b.until = true, r, time.Now().Add(b.keep)
	close(b.come)
}

// Submit implements transports.Mailbox.
func (t *Transport) Submit(ctx context.Context, service, name string, m transports.Message, keep time.Duration) error {
	if err := transports.CheckSubmit(name, m); err != nil {
		return fmt.Errorf("submit to %s: %w", service, err)
	}
	j := newJob(m, nil)
	j.box = &box{name: name, expires: m.Expires, keep: keep, until: m.Expires.Add(lateReply + keep), come: make(chan struct{})}
	if err := t.enqueue(ctx, service, j); err != nil {
		return fmt.Errorf("submit to %s: %w", service, err)
	}
	return nil
}

// Collect implements transports.Mailbox.
func (t *Transport) Collect(ctx context.Context, service, name string, wait time.Duration) ([]byte, error) {
	r, err := t.look(ctx, name, wait)
	if err == nil {
		err = r.err
	}
	if err != nil {
		return nil, fmt.Errorf("collect from %s: %w", service, err)
	}
	return bytes.Clone(r.body), nil
}

// look returns what is in a box, or why there is nothing.
func (t *Transport) look(ctx context.Context, name string, wait time.Duration) (reply, error) {
	if err := transports.CheckBox(name); err != nil {
		return reply{}, err
	}
	b, err := t.box(ctx, name)
	if err != nil {
		return reply{}, err
	}
	timer := time.NewTimer(min(wait, time.Until(b.expires.Add(lateReply))))
	defer timer.Stop()
	select {
	case <-b.come:
	case <-timer.C:
	case <-ctx.Done():
		return reply{}, ctx.Err()
	case <-t.life.Done():
		return reply{}, transports.ErrClosed
	}
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	switch {
	case b.full:
		return b.reply, nil
	case time.Now().Before(b.expires.Add(lateReply)):
		return reply{}, transports.ErrPending
	}
	return reply{}, transports.ErrExpired
}

func (t *Transport) box(ctx context.Context, name string) (*box, error) {
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	if err := t.alive(ctx); err != nil {
		return nil, err
	}
	t.broker.clearLocked()
	if b := t.broker.boxes[name]; b != nil {
		return b, nil
	}
	return nil, transports.ErrNoBox
}

// clearLocked forgets the boxes whose time is over.
func (b *Broker) clearLocked() {
	now := time.Now()
	maps.DeleteFunc(b.boxes, func(_ string, box *box) bool { return now.After(box.until) })
}
