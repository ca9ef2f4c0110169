package jsonrpc

import (
	"sync"
	"time"
)

// A watch knows the handlers of a Mux that are before their deadline. One timer serves
// them all, because nearly all of them return in time, and a timer for each would cost
// more than many a handler.
type watch struct {
	mu    sync.Mutex
	first *run
	timer *time.Timer
	due   time.Time // when timer fires; zero: never
}

// add watches r until it is removed or its deadline has passed. Then r.outwait is
// called, in a goroutine of its own.
func (w *watch) add(r *run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.next = w.first; r.next != nil {
		r.next.prev = r
	}
	w.first = r
	if w.due.IsZero() || r.deadline.Before(w.due) {
		w.wake(r.deadline)
	}
}

// remove returns false if the deadline of r has passed.
func (w *watch) remove(r *run) (inTime bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.returned != nil {
		return false
	}
	w.unlink(r)
	return true
}

func (w *watch) unlink(r *run) {
	if r.next != nil {
		r.next.prev = r.prev
	}
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		w.first = r.next
	}
	r.prev, r.next = nil, nil // handlers may keep their context, and should not keep each other's
}

func (w *watch) wake(due time.Time) {
	w.due = due
	if w.timer == nil {
		w.timer = time.AfterFunc(time.Until(due), w.look)
	} else {
		w.timer.Reset(time.Until(due))
	}
}

// look lets go of those whose deadline has passed.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.due = time.Time{}
	var next *run
	var due time.Time
	for r := w.first; r != nil; r = next {
		switch next = r.next; {
		case !r.deadline.After(now):
			w.unlink(r)
			r.returned = make(chan struct{})
			go r.outwait()
		case due.IsZero() || r.deadline.Before(due):
			due = r.deadline
		}
	}
	if !due.IsZero() {
		w.wake(due)
	}
}
