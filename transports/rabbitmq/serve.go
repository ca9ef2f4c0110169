package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/internal/pool"
	"github.com/journeyman-go/journeyman/transports"
)

// A server is one call of Serve.
type server struct {
	*Transport
	service transports.Service
	work    context.Context // of handlers: has the values of Serve's, and ends at the hard stop
	abandon context.CancelCauseFunc
	taking  context.Context // ends when no more is to be taken
	stop    context.CancelCauseFunc

	declaring sync.Mutex
	declared  *session // in which all that the service needs was declared

	slots  chan struct{} // a token for each message that is worked on
	pool   *pool.Pool[*entry]
	desk   *desk
	crowd  crowd
	busy   atomic.Int64 // messages that were taken and have no outcome yet
	stands []*stand
	tasks  sync.WaitGroup // messages that were taken
}

// Serve implements transports.Server.
func (t *Transport) Serve(ctx context.Context, s transports.Service) error {
	if err := t.checkService(&s); err != nil {
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
	t.mu.Lock()
	closed := t.closed
	if !closed {
		t.serving.Add(1)
	}
	t.mu.Unlock()
	if closed {
		return fmt.Errorf("serve %s: %w", s.Name, transports.ErrClosed)
	}
	defer t.serving.Done()
	if err := newServer(ctx, t, s).run(ctx); err != nil {
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
	return nil
}

func (t *Transport) checkService(s *transports.Service) error {
	if err := transports.CheckName(s.Name); err != nil {
		return err
	}
	switch {
	case s.Handler == nil:
		return errors.New("no handler")
	case s.Dedupe != nil:
		return fmt.Errorf("deduplication wants a store that all workers share, which RabbitMQ is not: %w", transports.ErrUnsupported)
	}
	for _, method := range s.Bindings {
		if err := t.names.checkBinding(s.Name, method); err != nil {
			return err
		}
	}
	if s.Slots <= 0 {
		s.Slots = transports.DefaultSlots
	}
	return nil
}

func newServer(ctx context.Context, t *Transport, s transports.Service) *server {
	srv := &server{
		Transport: t, service: s,
		slots: make(chan struct{}, s.Slots), desk: newDesk(),
	}
	srv.pool = pool.New(srv.attend)
	srv.work, srv.abandon = context.WithCancelCause(context.WithoutCancel(ctx))
	srv.taking, srv.stop = context.WithCancelCause(t.life)

	ordinary := []string{t.names.queue(s.Name)}
	if len(s.Bindings) > 0 {
		ordinary = nil
		for _, method := range s.Bindings {
			ordinary = append(ordinary, t.names.method(s.Name, method))
		}
	}
	for _, queue := range ordinary {
		srv.stands = append(srv.stands, &stand{server: srv, queue: queue, kind: ordinaryWork, prefetch: max(1, s.Slots/len(ordinary)), holds: make(chan hold)})
	}
	// At most an eighth of the slots is for messages that may have killed a worker,
	// so that those which do cannot take all of them.
	srv.stands = append(srv.stands,
		&stand{server: srv, queue: t.names.suspects(s.Name), kind: suspectWork, prefetch: max(1, s.Slots/8), holds: make(chan hold)},
		&stand{server: srv, queue: t.names.alone(s.Name), kind: loneWork, prefetch: 1, holds: make(chan hold)})
	return srv
}

// declare declares what the service needs, once in each session.
func (s *server) declare(in *session) error {
	s.declaring.Lock()
	defer s.declaring.Unlock()
	if s.declared == in {
		return nil
	}
	on := &scratch{conn: in.conn}
	defer on.close()
	if err := s.topology.exchanges(on); err != nil {
		return err
	}
	if err := s.topology.serve(on, s.service.Name, s.service.Bindings); err != nil {
		return err
	}
	s.declared = in
	return nil
}

// forget has all be declared again: something was deleted, perhaps.
func (s *server) forget(in *session) {
	s.declaring.Lock()
	defer s.declaring.Unlock()
	if s.declared == in {
		s.declared = nil
	}
}

// run takes messages until ctx ends, and then lets what was begun come to its end.
func (s *server) run(ctx context.Context) error {
	defer s.abandon(nil)
	defer s.pool.Close()
	unlink := context.AfterFunc(ctx, func() { s.stop(errStopped) })
	defer unlink()
	if ctx.Err() != nil {
		return nil
	}

	var stands sync.WaitGroup
	for _, st := range s.stands {
		stands.Go(func() { s.stop(st.run()) })
	}
	stands.Wait()
	why := context.Cause(s.taking)
	switch {
	case s.life.Err() != nil:
		why = transports.ErrClosed
	case errors.Is(why, errStopped):
		why = nil
	}

	settled := make(chan struct{})
	go func() { s.tasks.Wait(); close(settled) }()
	if why == nil {
		select {
		case <-settled:
			s.closeStands()
			return nil
		case <-s.life.Done():
			why = transports.ErrClosed
		}
	}
	s.giveBack(why, settled)
	return why
}

// errStopped is the end of Serve's context, which is no error.
var errStopped = errors.New("told to stop")

// giveBack is the hard stop: handlers are cancelled, and what they have not finished
// goes back into the queue. It waits for neither longer than timing.closing.
func (s *server) giveBack(cause error, settled <-chan struct{}) {
	open := s.desk.close()
	ctx, cancel := context.WithTimeout(s.ctx, s.timing.closing)
	defer cancel()
	var returns sync.WaitGroup
	for _, e := range open {
		returns.Go(func() { s.giveUnfinished(ctx, e) })
	}
	s.abandon(cause)
	returns.Wait()
	select {
	case <-settled:
	case <-ctx.Done():
		s.log.Warn("handlers did not return after they were cancelled", "service", s.service.Name)
	}
	s.closeStands()
}

// closeStands closes the channels on which messages were delivered: what was
// acknowledged is then known to the broker, and what was not goes to other workers.
func (s *server) closeStands() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, st := range s.stands {
			st.close()
		}
	}()
	select {
	case <-done:
	case <-time.After(s.timing.closing):
		// A broker that does not answer learns it from the end of the connection.
	}
}
