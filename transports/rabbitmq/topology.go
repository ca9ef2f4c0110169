package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// A topology declares what this transport needs in RabbitMQ. Everything is declared
// anew on each connection, as a broker may have been replaced by an empty one.
// Arguments of what exists cannot be changed: where they differ it is used as it is.
type topology struct {
	names    names
	maxQueue int
	timing   timing
	log      *slog.Logger

	mu     sync.Mutex
	warned map[string]bool // what was said once need not be said at each reconnect
}

// noLimit has the broker count how often it gives a message out and never act on it:
// it cannot tell a worker that died from a connection that broke, nor a message that
// was begun from one that was on its way. Workers can, and bury for themselves.
// Without an argument 4.0 and later drop a message at the twentieth time.
const noLimit = 1 << 30

// queueArguments are those of every queue that holds requests.
func (t *topology) queueArguments() amqp.Table {
	return amqp.Table{
		"x-queue-type":           "quorum",
		"x-max-length":           int64(t.maxQueue),
		"x-overflow":             "reject-publish",
		"x-delivery-limit":       int64(noLimit),
		"x-dead-letter-exchange": t.names.letters(),
	}
}

// keepArguments are those of queues into which only workers put what must not be lost.
func (t *topology) keepArguments() amqp.Table {
	return amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int64(noLimit)}
}

// replyArguments are legal from 3.10 to 4.3: queues that are neither durable nor
// exclusive are refused by the latest.
func (t *topology) replyArguments() amqp.Table {
	return amqp.Table{"x-queue-type": "classic", "x-expires": t.timing.replies.Milliseconds()}
}

// exchanges declares those that every process needs.
func (t *topology) exchanges(conn *amqp.Connection) error {
	// What rpc cannot route goes on to rpc.any: so a binding that names a method wins
	// over the one of its service, and nothing is given to both.
	for _, e := range []struct {
		name string
		args amqp.Table
	}{
		{t.names.any(), nil},
		{t.names.rpc(), amqp.Table{"alternate-exchange": t.names.any()}},
		{t.names.letters(), nil},
	} {
		err := t.declare(conn, "exchange "+e.name,
			func(ch *amqp.Channel) error {
				return ch.ExchangeDeclare(e.name, amqp.ExchangeHeaders, true, false, false, false, e.args)
			},
			func(ch *amqp.Channel) error {
				return ch.ExchangeDeclarePassive(e.name, amqp.ExchangeHeaders, true, false, false, false, e.args)
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// announce declares what callers of a service need: its queue and the way there.
func (t *topology) announce(conn *amqp.Connection, service string) error {
	queue, dead := t.names.queue(service), t.names.dead(service)
	if err := t.queue(conn, dead, t.keepArguments()); err != nil {
		return err
	}
	if err := t.queue(conn, queue, t.queueArguments()); err != nil {
		return err
	}
	if err := t.bind(conn, queue, t.names.any(), amqp.Table{"x-match": "all", headerDestination: service}); err != nil {
		return err
	}
	// Requests that expire are dead-lettered too, which would bury the dead letters
	// that people should see; so the reason decides. (all-with-x: since 3.10)
	for _, reason := range []string{"rejected", "delivery_limit"} {
		args := amqp.Table{"x-match": "all-with-x", "x-first-death-queue": queue, "x-first-death-reason": reason}
		if err := t.bind(conn, dead, t.names.letters(), args); err != nil {
			return err
		}
	}
	return nil
}

// serve declares what a worker needs beyond what callers do.
func (t *topology) serve(conn *amqp.Connection, service string, bindings []string) error {
	if err := t.announce(conn, service); err != nil {
		return err
	}
	for _, queue := range []string{t.names.suspects(service), t.names.alone(service)} {
		if err := t.queue(conn, queue, t.keepArguments()); err != nil {
			return err
		}
	}
	// What waits for its turn to run alone comes by the way of delayed messages.
	alone := t.names.alone(service)
	if err := t.bind(conn, alone, t.names.any(), amqp.Table{"x-match": "all", headerDestination: aloneOf(service)}); err != nil {
		return err
	}
	for _, method := range bindings {
		queue := t.names.method(service, method)
		if err := t.queue(conn, queue, t.queueArguments()); err != nil {
			return err
		}
		args := amqp.Table{"x-match": "all", headerDestination: service, headerProcedure: method}
		if err := t.bind(conn, queue, t.names.rpc(), args); err != nil {
			return err
		}
	}
	return nil
}

// aloneOf is the destination of what has to run alone. No service is named so.
func aloneOf(service string) string { return service + ".alone" }

// replies declares the queue of one process's replies.
func (t *topology) replies(conn *amqp.Connection, queue string) error {
	return t.queue(conn, queue, t.replyArguments())
}

// rung declares a rung of the ladder. What has waited there is routed anew.
func (t *topology) rung(conn *amqp.Connection, queue string, ttl int64) error {
	return t.queue(conn, queue, amqp.Table{
		"x-queue-type":              "quorum",
		"x-message-ttl":             ttl,
		"x-dead-letter-exchange":    t.names.rpc(),
		"x-dead-letter-routing-key": "",
		// With these two a message leaves the rung only when the next queue has it.
		"x-dead-letter-strategy": "at-least-once",
		"x-overflow":             "reject-publish",
	})
}

func (t *topology) queue(conn *amqp.Connection, name string, args amqp.Table) error {
	return t.declare(conn, "queue "+name,
		func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(name, true, false, false, false, args)
			return err
		},
		func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			return err
		})
}

func (t *topology) bind(conn *amqp.Connection, queue, exchange string, args amqp.Table) error {
	what := "binding of " + queue + " to " + exchange
	return t.declare(conn, what, func(ch *amqp.Channel) error { return ch.QueueBind(queue, "", exchange, false, args) }, nil)
}

// declare makes something on a channel of its own, as a fault closes the channel. What
// exists with other arguments, or may only be used, is used as it is and warned of.
func (t *topology) declare(conn *amqp.Connection, what string, do, passive func(ch *amqp.Channel) error) error {
	err := onChannel(conn, do)
	fault, ok := errors.AsType[*amqp.Error](err)
	if !ok || fault.Code != amqp.PreconditionFailed && fault.Code != amqp.AccessRefused || passive == nil {
		return refused("declare "+what, err)
	}
	if err := onChannel(conn, passive); err != nil {
		return refused("declare "+what, fault) // the first one says more
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.warned[what] {
		t.warned[what] = true
		t.log.Warn(what+" is not as this version would declare it, and is used as it is", "err", fault.Reason)
	}
	return nil
}

// refused wraps an error, as one that trying again does not remove where the user
// lacks a permission.
func refused(doing string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", doing, err)
	if fault, ok := errors.AsType[*amqp.Error](err); ok && fault.Code == amqp.AccessRefused {
		return &transports.RefusedError{Err: fmt.Errorf("%w; the user needs permission to configure, write and read", err)}
	}
	return err
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
