package memory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A worker is one running Serve.
type worker struct {
	status  transports.WorkerStatus
	running map[*job]bool // guarded by Broker.mu; what is no longer in it was given back
}

// Serve implements transports.Server. A transport may serve several names, and
// one name again after a stop.
func (t *Transport) Serve(ctx context.Context, s transports.Service) error {
	if err := check(s); err != nil {
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
	if s.Slots == 0 {
		s.Slots = transports.DefaultSlots
	}
	w, q, err := t.join(s)
	if err != nil {
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
	defer t.leave(w, q)

	var handlers sync.WaitGroup
	slots := make(chan struct{}, s.Slots)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		case <-t.life.Done():
		}
		j, m := t.take(ctx, w, q)
		if j == nil {
			break
		}
		handlers.Go(func() {
			defer func() { <-slots }()
			t.run(ctx, s, m, &delivery{w, q, j})
		})
	}
	handlers.Wait()
	if t.life.Err() != nil {
		return fmt.Errorf("serve %s: %w", s.Name, transports.ErrClosed)
	}
	return nil
}

func check(s transports.Service) error {
	switch err := transports.CheckName(s.Name); {
	case err != nil:
		return err
	case s.Handler == nil:
		return errors.New("the service has no handler")
	case s.Slots < 0:
		return fmt.Errorf("%d slots: want 1 or more, or 0 for %d", s.Slots, transports.DefaultSlots)
	case len(s.Bindings) > 0:
		return fmt.Errorf("bindings %q: %w", s.Bindings, transports.ErrUnsupported)
	}
	return nil
}

func (t *Transport) join(s transports.Service) (*worker, *queue, error) {
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	if t.life.Err() != nil {
		return nil, nil, transports.ErrClosed
	}
	w := &worker{
		status: transports.WorkerStatus{
			ID: rand.Text(), Methods: slices.Clone(s.Methods), Slots: s.Slots, Started: time.Now(),
		},
		running: map[*job]bool{},
	}
	t.broker.announceLocked(s.Name)
	q := t.broker.queueLocked(s.Name)
	q.workers = append(q.workers, w)
	t.workers[w] = q
	return w, q, nil
}

func (t *Transport) leave(w *worker, q *queue) {
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	delete(t.workers, w)
	q.workers = slices.DeleteFunc(q.workers, func(other *worker) bool { return other == w })
}

// take waits for the next message, marks it as w's and returns it with a copy
// for the handler. It returns nil once ctx or the transport has ended.
func (t *Transport) take(ctx context.Context, w *worker, q *queue) (*job, transports.Message) {
	for {
		t.broker.mu.Lock()
		if ctx.Err() != nil || t.life.Err() != nil {
			t.broker.mu.Unlock()
			return nil, transports.Message{}
		}
		j, wait := q.next(w)
		if j != nil {
			w.running[j] = true
			m := clone(j.message)
			t.broker.mu.Unlock()
			return j, m
		}
		changed := q.changed
		t.broker.mu.Unlock()

		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-changed:
		case <-due:
		case <-ctx.Done():
		case <-t.life.Done():
		}
	}
}

// A delivery is a message that a worker has taken.
type delivery struct {
	worker *worker
	queue  *queue
	job    *job
}

// run executes one message and settles it with the outcome, also where the
// handler panics, or ends its goroutine as t.FailNow does. Either is a bug that
// would strike again, so such a message is buried. stop ends when the worker is
// to stop; a handler that has begun does not see it.
func (t *Transport) run(stop context.Context, s transports.Service, m transports.Message, d *delivery) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(stop))
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	t.broker.mu.Lock()
	d.job.cancel = cancel
	t.broker.mu.Unlock()
	if !m.Expires.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, m.Expires)
		defer cancel()
	}

	outcome := transports.Outcome{Verdict: transports.Bury, Err: errors.New("the handler ended its goroutine")}
	defer func() {
		if v := recover(); v != nil {
			outcome.Err = fmt.Errorf("the handler panicked: %v", v)
			t.log.Error("handler panicked; its message was buried",
				"id", m.ID, "method", m.Method, "panic", v, "stack", string(debug.Stack()))
		}
		t.settle(d, outcome)
	}()
	if s.Dedupe != nil && s.Dedupe(m) {
		if o, run := t.claim(ctx, stop, d); !run {
			outcome = o
			return
		}
	}
	if !t.begin(d) {
		outcome = transports.Outcome{}
		return
	}
	outcome = s.Handler(ctx, m)
}

// begin notes that the handler starts. It returns false where the message is no
// longer this worker's, or nobody's: its caller has gone, or its time is up, which
// its context may not know yet.
func (t *Transport) begin(d *delivery) bool {
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	if !d.worker.running[d.job] || d.job.cancelled || expired(d.job.message, time.Now()) {
		return false
	}
	d.queue.release(d.job)
	return true
}
