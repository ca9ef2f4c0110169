package jsonrpc

import (
	"context"
	"fmt"
	"time"

	"github.com/journeyman-go/journeyman/internal/lifetime"
)

// A run is a handler at work, and the context that it gets.
type run struct {
	context.Context // its parent, with the handler's deadline

	job     *job
	request *request
	entry   *entry
	began   time.Time

	deadline   time.Time // zero: nobody watches it
	prev, next *run      // in the list of the watch, by which they are guarded
	returned   chan struct{}

	over, givenUp bool // guarded by mux.stuck.mu
}

type entryKey struct{}

// Value adds the entry to what the parent knows.
func (r *run) Value(key any) any {
	if key == (entryKey{}) {
		return r.entry
	}
	return r.Context.Value(key)
}

// MethodName returns the name of the method that ctx was made for, "" outside of
// a Handler.
func MethodName(ctx context.Context) string {
	if e, ok := ctx.Value(entryKey{}).(*entry); ok {
		return e.name
	}
	return ""
}

// execute runs the method that req asks for, and concludes it unless it was given up:
// then it returns false.
func (j *job) execute(ctx context.Context, e *entry, req *request) (inCharge bool) {
	began := time.Now()
	deadline, limited := ctx.Deadline()
	timeout := e.timeout
	if timeout == 0 && !limited {
		timeout = j.mux.Timeout
	}
	if timeout > 0 {
		bounded := new(lifetime.Context)
		bounded.Init(ctx, began.Add(timeout))
		defer bounded.Release()
		ctx = bounded
		deadline, limited = ctx.Deadline()
	}
	r := &run{Context: ctx, job: j, request: req, entry: e, began: began}
	if limited && j.mux.Grace > 0 {
		r.deadline = deadline
		j.mux.watch.add(r)
	}
	returned := false
	defer func() {
		if !returned { // the handler has ended the goroutine
			r.end(nil, errGone)
		}
	}()
	reply, err := e.finish(r, req, r.began)
	returned = true
	return r.end(reply, err)
}

// end notes that the handler has ended, and concludes its request unless that is
// given up: then it returns false.
func (r *run) end(reply []byte, err error) (inCharge bool) {
	j, req := r.job, r.request
	if r.deadline.IsZero() || j.mux.watch.remove(r) {
		r.job, r.request = nil, nil // a handler may keep its context, and should not keep its body
	} else if !r.endLate(err) {
		return false
	}
	j.conclude(r, req, reply, err)
	return true
}

// endLate is for a handler that ended after its deadline. It reports whether its result
// is wanted.
func (r *run) endLate(err error) (wanted bool) {
	mux := r.job.mux
	stuck, wanted := mux.stuck.remove(r)
	close(r.returned)
	if stuck {
		what := "stuck handler has returned after all"
		if !wanted {
			what += "; its result is dropped"
		}
		mux.logger().WarnContext(r, what, "method", r.entry.name, "key", Key(r), "after", r.age().String(), "failed", err != nil)
	}
	return wanted
}

// outwait is what becomes of a handler whose deadline has passed. The grace is counted
// from when this process sees that, and in two halves: a process that was stopped
// meanwhile owes its handlers the time to see it, too. That the context was cancelled
// earlier makes nobody stuck: to finish all the same is a handler's good right.
func (r *run) outwait() {
	mux := r.job.mux
	half := mux.Grace / 2
	for _, patience := range []time.Duration{half, mux.Grace - half} {
		timer := time.NewTimer(patience)
		select {
		case <-r.returned:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
	if !mux.stuck.add(r) {
		return
	}
	atOnce := r.request.call && r.entry.dedupe == 0 // otherwise it is given up when it has to be
	what := "handler does not return; its caller is told so"
	if !atOnce {
		what = "handler does not return; waiting for it"
	}
	mux.logger().ErrorContext(r, what, "method", r.entry.name, "key", Key(r), "after", r.age().String(), "stuck", len(mux.Stuck()))
	mux.report(r, Failure{Method: r.entry.name, Err: r.stuckError()})
	if !atOnce {
		select {
		case <-r.returned:
			return
		case <-mux.stuck.abandoned():
		}
	}
	if !mux.stuck.giveUp(r) {
		return
	}
	j := r.job
	go j.work() // in place of the goroutine that the handler keeps
	r.request.abandoned = !atOnce
	j.conclude(r, r.request, nil, r.stuckError())
}

func (r *run) stuckError() error { return fmt.Errorf("%w, %v after it began", ErrStuck, r.age()) }

func (r *run) age() time.Duration { return time.Since(r.began).Round(time.Millisecond) }
