package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// A scratch is a channel for declaring, of which a fault costs nothing but a new one.
type scratch struct {
	conn *amqp.Connection
	ch   *amqp.Channel
}

func (s *scratch) do(do func(ch *amqp.Channel) error) (err error) {
	if s.ch == nil || s.ch.IsClosed() {
		if s.ch, err = s.conn.Channel(); err != nil {
			return err
		}
	}
	return do(s.ch)
}

func (s *scratch) close() {
	if s.ch != nil && !s.ch.IsClosed() {
		_ = s.ch.Close()
	}
}

// onChannel runs do on a channel of its own. No channel that publishes or consumes is
// used for declaring: the library lets the frames of the two run into each other
// (amqp091-go#42).
func onChannel(conn *amqp.Connection, do func(ch *amqp.Channel) error) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	err = do(ch)
	if !ch.IsClosed() {
		_ = ch.Close()
	}
	return err
}

// admin runs do on a channel of its own of the consuming connection, when this process
// has announced what it announces.
func (t *Transport) admin(ctx context.Context, do func(ch *amqp.Channel) error) error {
	if _, err := t.publishing.session(ctx, t.timing.giveUp); err != nil {
		return err
	}
	s, err := t.consuming.session(ctx, t.timing.giveUp)
	if err != nil {
		return err
	}
	err = t.bounded(ctx, func() error { return onChannel(s.conn, do) })
	if err == nil || ctx.Err() != nil || errors.Is(err, transports.ErrClosed) {
		return err
	}
	if _, ok := errors.AsType[*amqp.Error](err); !ok || s.isLost() {
		return fmt.Errorf("%w: %w", transports.ErrUnavailable, err)
	}
	return err
}

// bounded runs something that a frozen broker may hold up, and waits for it until ctx
// ends or the transport is closed.
func (t *Transport) bounded(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	t.background(func() { done <- do() })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-t.life.Done():
		return transports.ErrClosed
	}
}

// sleep waits for d, and reports whether that was over before ctx was.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
