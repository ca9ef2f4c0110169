package redislist

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/pool"
	"github.com/journeyman-go/journeyman/transports"
)

// A server is one call of Serve. It outlives the workers under whose names it
// takes messages one after the other.
type server struct {
	*Transport
	service transports.Service
	values  context.Context // of Serve's caller, without its cancellation
	started time.Time
	slots   chan struct{} // a token for each message that is worked on, or may be taken
	// A token for each result whose settlement the broker has not confirmed. With
	// the slots they bound the backup list.
	unsettled  chan struct{}
	cautious   chan struct{} // a token for each suspect that runs beside ordinary work
	complained atomic.Int64  // when the log last spoke of requests answered nowhere, in Unix nanoseconds
	handlers   sync.WaitGroup
	pool       *pool.Pool[job]
	fetch      *fetcher
}

// Serve implements transports.Server.
func (t *Transport) Serve(ctx context.Context, s transports.Service) error {
	if err := transports.CheckName(s.Name); err != nil {
		return err
	}
	if s.Handler == nil {
		return fmt.Errorf("serve %s: no handler", s.Name)
	}
	if len(s.Bindings) > 0 {
		return fmt.Errorf("serve %s: bindings: %w", s.Name, transports.ErrUnsupported)
	}
	if s.Slots <= 0 {
		s.Slots = transports.DefaultSlots
	}
	t.mu.Lock()
	closed := t.closed
	if !closed {
		t.serving.Add(1)
		t.announced[s.Name] = true
		t.known[s.Name] = true
	}
	t.mu.Unlock()
	if closed {
		return fmt.Errorf("serve %s: %w", s.Name, transports.ErrClosed)
	}
	defer t.serving.Done()

	srv := &server{
		Transport: t, service: s, values: context.WithoutCancel(ctx), started: time.Now(),
		slots: make(chan struct{}, s.Slots), unsettled: make(chan struct{}, s.Slots+maxBatch),
		cautious: make(chan struct{}, max(1, s.Slots/8)),
	}
	srv.pool = pool.New(srv.do)
	defer srv.pool.Close()
	if err := srv.run(ctx); err != nil {
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
	return nil
}

// run serves as one worker after the other until ctx ends.
func (s *server) run(ctx context.Context) error {
	for {
		w := newWorker(s.keys, s.service.Name)
		s.fetch = newFetcher(s) // an old one may have been cut off
		w.stir = s.fetch.stir
		err := s.runAs(ctx, w)
		s.fetch.close()
		if !errors.Is(err, errFenced) {
			return err
		}
		s.stats.fenced.Add(1)
		s.log.Warn("declared dead by another worker, or forgotten by the broker; going on under a new identity",
			"service", s.service.Name, "worker", w.id)
	}
}

// runAs serves under one identity. It returns errFenced when that was declared dead.
func (s *server) runAs(ctx context.Context, w *worker) error {
	life, end := context.WithCancel(s.ctx)
	defer end()
	fenced, err := s.join(ctx, life, w)
	if err != nil || fenced == nil {
		return err
	}
	return s.finish(ctx, w, fenced, s.takeUntilStopped(ctx, life, w, fenced))
}

// takeUntilStopped has requests taken and begun until something ends that, and
// returns what: nil for the end of ctx.
func (s *server) takeUntilStopped(ctx, life context.Context, w *worker, fenced <-chan struct{}) (why error) {
	until, stopTaking := context.WithCancel(life)
	defer stopTaking()
	stopped := make(chan error, 1)
	s.pool.Do(job{taking: &taking{ctx: until, fetcher: s.fetch, worker: w, stopped: stopped}})

	select {
	case <-ctx.Done():
	case <-s.closing:
		why = transports.ErrClosed
	case <-s.commands.whenRefused():
		why = cmp.Or(s.commands.refusalErr(), transports.ErrUnavailable)
	case <-fenced:
		why = errFenced
	case why = <-w.failed:
	case why = <-stopped:
		stopped <- why
	}
	stopTaking()
	s.fetch.unblock(stopped)
	for _, e := range w.stopFinding() {
		s.settle(w, &settlement{entry: e, action: actReturn, next: e.raw})
	}
	return why
}

// finish brings to its end what was begun, as far as the reason allows.
func (s *server) finish(ctx context.Context, w *worker, fenced <-chan struct{}, why error) error {
	if why == nil {
		why = s.drain(w, fenced)
	}
	switch {
	case why == nil:
		s.leave(w)
	case errors.Is(why, errFenced):
		if ctx.Err() != nil { // nothing is left to do under another name
			return s.awaitHandlers()
		}
	default:
		s.giveBack(w)
	}
	return why
}

// drain waits until everything taken is settled.
func (s *server) drain(w *worker, fenced <-chan struct{}) error {
	select {
	case <-w.quiet():
		return s.awaitHandlers()
	case <-fenced:
		return errFenced
	case <-s.closing:
		return transports.ErrClosed
	}
}

// awaitHandlers waits for handlers whose messages are settled or somebody else's.
// After Close it waits no longer than timing.closing.
func (s *server) awaitHandlers() error {
	returned := s.handlersReturned()
	select {
	case <-returned:
		return nil
	case <-s.closing:
		s.abandonHandlers(returned)
		return transports.ErrClosed
	}
}

func (s *server) handlersReturned() <-chan struct{} {
	returned := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(returned)
	}()
	return returned
}

// abandonHandlers gives cancelled handlers a little time to return.
func (s *server) abandonHandlers(returned <-chan struct{}) {
	if !within(s.timing.closing, returned) {
		s.log.Warn("handlers did not return after they were cancelled", "service", s.service.Name)
	}
}

// giveBack is the hard stop: handlers are cancelled, and what they have not
// finished goes back into the queue. It waits for neither longer than timing.closing.
func (s *server) giveBack(w *worker) {
	open, lives := w.endAll()
	for _, e := range open {
		s.settle(w, &settlement{entry: e, action: actReturn, next: redelivered(e.raw)})
	}
	for _, life := range lives {
		life.Cancel()
	}
	if within(s.timing.closing, w.quiet()) {
		s.leave(w)
	} else {
		s.log.Warn("broker did not take unfinished requests back in time; another worker finds them after the lease",
			"service", s.service.Name, "requests", w.count(), "lease", s.timing.lease)
	}
	s.abandonHandlers(s.handlersReturned())
}

// within reports whether done is closed before d has passed.
func within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// leave takes the worker off the list of those alive. A broker that does not
// answer finds out by itself.
func (s *server) leave(w *worker) {
	ctx, cancel := context.WithTimeout(s.ctx, s.timing.closing)
	defer cancel()
	k, name := s.keys, s.service.Name
	keys := []string{
		k.workers(name), k.steady(name), k.former(name), k.about(name), w.backup, w.queue, k.suspects(name), k.alone(name), k.turn(name),
	}
	if err := s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
		return leaveScript.call(ctx, p, keys, w.id)
	}); err != nil {
		s.log.Debug("leave", "service", name, "err", err)
	}
}

// describe returns what other processes may know of this worker.
func (s *server) describe(w *worker) string {
	about, _ := json.Marshal(transports.WorkerStatus{
		ID: w.id, Instance: s.options.Instance, Version: s.options.Version,
		Methods: s.service.Methods, Slots: s.service.Slots, Started: s.started,
	})
	return string(about)
}
