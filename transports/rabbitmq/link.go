package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A link keeps one connection of the process alive: while it is wanted, one session
// follows the other. There are two, since a broker in need blocks connections that
// publish, and what is acknowledged on them would wait as well.
type link struct {
	purpose string
	dialer  *dialer
	timing  timing
	log     *slog.Logger
	greet   func(ctx context.Context, s *session) error // makes a new session ready for use

	start   sync.Once
	run     func(func()) // starts a goroutine for which Close waits
	ctx     context.Context
	current *holder[*session]
}

// session returns the current session, or the next. It fails with ErrUnavailable
// when there has been none for as long as patience lasts.
func (l *link) session(ctx context.Context, patience time.Duration) (*session, error) {
	l.begin()
	s, ok, err := l.current.wait(ctx, l.timing.connect, patience, isRefusal)
	switch {
	case ok:
		return s, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case l.ctx.Err() != nil:
		return nil, transports.ErrClosed
	case err == nil:
		return nil, fmt.Errorf("%w: it does not answer", transports.ErrUnavailable)
	case isRefusal(err):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", transports.ErrUnavailable, err)
}

// begin has the link connect, unless it was told before.
func (l *link) begin() { l.start.Do(func() { l.run(l.supervise) }) }

func isRefusal(err error) bool {
	_, ok := errors.AsType[*transports.RefusedError](err)
	return ok
}

// supervise makes one session after the other.
func (l *link) supervise() {
	failures, doubts := 0, 0
	for l.ctx.Err() == nil {
		s, err := l.connect()
		if err == nil {
			if failures > 0 {
				l.log.Info("connected to the broker again", "connection", l.purpose)
			}
			failures, doubts = 0, 0
			l.current.put(s)
			select {
			case <-s.lost:
				err = s.why
			case <-l.ctx.Done():
				err = transports.ErrClosed
			}
			l.current.drop(err) // at once: until then others take it for good
			if errors.Is(err, errUnanswered) {
				l.dialer.next++ // it takes connections and does nothing with them
			}
			s.end(l.timing.closing)
			l.await(s)
		}
		if doubt, ok := errors.AsType[*doubtfulError](err); ok {
			if doubts++; doubts > 1 {
				err = doubt.err
			}
		} else {
			doubts = 0
		}
		l.current.drop(err)
		if failures++; l.ctx.Err() == nil && (failures == 1 || failures%20 == 0) {
			l.log.Warn("no connection to the broker, trying again", "connection", l.purpose, "err", err)
		}
		sleep(l.ctx, l.timing.pause(failures))
	}
	l.current.drop(transports.ErrClosed)
}

func (l *link) connect() (*session, error) {
	s, err := l.dialer.dial(l.ctx, l.purpose)
	if err != nil || l.greet == nil {
		return s, err
	}
	// A broker that stands still in the middle of it is given up like any other.
	ctx, cancel := context.WithTimeout(l.ctx, l.timing.connect)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.lose(ctx.Err()) })
	err = l.greet(ctx, s)
	if !stop() {
		<-s.lost
		err = s.why
	}
	if err != nil {
		l.dialer.next++
		s.end(l.timing.closing)
		l.await(s)
		return nil, err
	}
	return s, nil
}

// await waits for the goroutines of a session that has ended. They depend on the
// library, which is not to keep the next session from being made.
func (l *link) await(s *session) {
	over := make(chan struct{})
	go func() {
		s.watched.Wait()
		s.socket.background.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-time.After(l.timing.closing):
		l.log.Error("a connection that has ended does not let go of its goroutines", "connection", l.purpose)
	}
}
