package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

const (
	// stuckGrace is how long a handler may take to notice that its time is over.
	stuckGrace = 2 * time.Second

	// stuckShare is the part of a process's slots, one in so many, that handlers may
	// hold that do not return. Two are allowed for in any case, as long as there are two.
	stuckShare = 8

	// stuckAlone is how many times as long a single one is waited for.
	stuckAlone = 10
)

// freshProcess is what a worker says last that would only look alive.
const freshProcess = "ending so that the platform starts a fresh process"

// A stuckWatch ends a process whose handlers do not return. Go cannot end them, and
// they hold slots, or memory and processors, that others need.
type stuckWatch struct {
	mux      *jsonrpc.Mux
	limit    int           // so many of them are too many, once each has been stuck for patience
	patience time.Duration // a single one is too many after stuckAlone times as long
	ending   chan error    // gets why the process should end, once; buffered
}

func newStuckWatch(mux *jsonrpc.Mux, slots int, patience time.Duration) *stuckWatch {
	return &stuckWatch{
		mux: mux, limit: min(slots, max(2, slots/stuckShare)), patience: patience, ending: make(chan error, 1),
	}
}

// beside returns run with the watch beside it.
func (w *stuckWatch) beside(run func(taking context.Context) error) func(context.Context) error {
	return func(taking context.Context) error {
		running, stop := context.WithCancel(context.WithoutCancel(taking))
		var watch sync.WaitGroup
		watch.Go(func() { w.watch(running, taking) })
		defer watch.Wait()
		defer stop()
		return run(taking)
	}
}

// watch looks until running ends. Where taking ends for another reason than what it
// found, the process is about to end anyway, and what is stuck is given back with
// all that is not finished.
func (w *stuckWatch) watch(running, taking context.Context) {
	ticker := time.NewTicker(max(time.Millisecond, min(time.Second, w.patience/4)))
	defer ticker.Stop()
	for {
		select {
		case <-taking.Done():
			return
		case <-running.Done():
			return
		case <-ticker.C:
		}
		if why := w.tooMany(time.Now()); why != nil {
			w.ending <- why
			break
		}
	}
	// The others may finish. When they have, nothing is left to wait for; but what is
	// let go of while messages are still taken may come back to this process.
	select {
	case <-taking.Done():
	case <-running.Done():
		return
	}
	for !w.aloneLeft() {
		select {
		case <-running.Done():
			return
		case <-ticker.C:
		}
	}
	w.mux.Abandon()
}

// tooMany returns why the process should end, nil if it need not.
func (w *stuckWatch) tooMany(now time.Time) error {
	stuck := w.mux.Stuck()
	most := 0 // of stuck are so for longer than is allowed
	for most < len(stuck) && now.Sub(stuck[most].Since) >= w.patience {
		most++
	}
	if most < w.limit && (most == 0 || now.Sub(stuck[0].Since) < stuckAlone*w.patience) {
		return nil
	}
	var methods []string
	for _, s := range stuck[:most] {
		methods = append(methods, s.Method)
	}
	slices.Sort(methods)
	what := "handlers do"
	if most == 1 {
		what = "handler does"
	}
	return fmt.Errorf("%d %s not return (%s); %s", most, what, strings.Join(slices.Compact(methods), ", "), freshProcess)
}

// aloneLeft reports whether nothing runs but what is stuck.
func (w *stuckWatch) aloneLeft() bool {
	var others int64
	for _, s := range w.mux.Stats().Methods {
		others += s.Running - s.Stuck
	}
	return others <= 0
}
