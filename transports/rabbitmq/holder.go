package rabbitmq

import (
	"context"
	"sync"
	"time"
)

// A holder keeps something that comes and goes, such as a connection, and lets
// others wait for it.
type holder[T any] struct {
	mu      sync.Mutex
	value   T
	present bool
	absent  time.Time     // since when there is none
	failure error         // why there is none; nil before the first attempt has failed
	changed chan struct{} // closed when there is one, or when it is known that there will be none
}

func newHolder[T any]() *holder[T] {
	return &holder[T]{absent: time.Now(), changed: make(chan struct{})}
}

// put makes value what waiters get.
func (h *holder[T]) put(value T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.value, h.present, h.failure = value, true, nil
	h.announce()
}

// drop says that there is no value any more, or still none, and why.
func (h *holder[T]) drop(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.present {
		var none T
		h.value, h.present, h.absent = none, false, time.Now()
	}
	h.failure = why
	h.announce()
}

func (h *holder[T]) announce() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// get returns the value, if there is one, and why not otherwise.
func (h *holder[T]) get() (value T, ok bool, failure error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.value, h.present, h.failure
}

// forever is the patience of those who only end with their context.
const forever time.Duration = -1

// wait returns the value as soon as there is one. It returns the failure, nil where
// none is known, when there has been no value for as long as patience lasts; so it
// fails at once where the broker has been away for long. hopeless failures end even
// those who wait forever.
//
// first is what a first attempt is waited for, of which nobody knows yet how it ends.
func (h *holder[T]) wait(ctx context.Context, first, patience time.Duration, hopeless func(error) bool) (value T, ok bool, err error) {
	began := time.Now()
	for {
		h.mu.Lock()
		value, ok, failure, changed, absent := h.value, h.present, h.failure, h.changed, h.absent
		h.mu.Unlock()
		switch {
		case ok:
			return value, true, nil
		case ctx.Err() != nil:
			return value, false, ctx.Err()
		case failure != nil && hopeless(failure):
			return value, false, failure
		}
		left := time.Until(absent.Add(patience))
		if failure == nil {
			left = time.Until(began.Add(first)) // it may have been begun just now, for whoever waits
		}
		var expired <-chan time.Time
		if patience != forever {
			if left <= 0 {
				return value, false, failure
			}
			timer := time.NewTimer(left)
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-changed:
		case <-ctx.Done():
		case <-expired:
		}
	}
}
