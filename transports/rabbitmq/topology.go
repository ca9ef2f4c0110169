package rabbitmq

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

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
	single bool            // rpc is somebody else's and knows no way to rpc.any
}

// noLimit has the broker count how often it gives a message out and never act on it:
// it cannot tell a worker that died from a connection that broke, nor a message that
// was begun from one that was on its way. Workers can, and bury for themselves.
// Without an argument 4.0 and later drop a message at the twentieth time.
const noLimit = 1 << 30

// noTimeout lets a job take its time before the broker takes it for forgotten; it is
// the process that looks after handlers which do not return. Brokers before 3.12 know
// one limit for all alone, of 30 minutes unless somebody has changed it.
const noTimeout = 7 * 24 * time.Hour

// queueArguments are those of every queue that holds requests.
func (t *topology) queueArguments() amqp.Table {
	return amqp.Table{
		"x-queue-type":           "quorum",
		"x-max-length":           int64(t.maxQueue),
		"x-overflow":             "reject-publish",
		"x-delivery-limit":       int64(noLimit),
		"x-consumer-timeout":     noTimeout.Milliseconds(),
		"x-dead-letter-exchange": t.names.letters(),
	}
}

// keepArguments are those of queues into which only workers put what must not be lost.
func (t *topology) keepArguments() amqp.Table {
	return amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int64(noLimit), "x-consumer-timeout": noTimeout.Milliseconds()}
}

// replyArguments are legal from 3.10 to 4.3: queues that are neither durable nor
// exclusive are refused by the latest.
func (t *topology) replyArguments() amqp.Table {
	return amqp.Table{"x-queue-type": "classic", "x-expires": t.timing.replies.Milliseconds()}
}

// exchanges declares those that every process needs.
func (t *topology) exchanges(on *scratch) error {
	for _, name := range []string{t.names.any(), t.names.letters()} {
		if _, err := t.exchange(on, name, nil); err != nil {
			return err
		}
	}
	// What rpc cannot route goes on to rpc.any: so a binding that names a method wins
	// over the one of its service, and nothing is given to both.
	asIs, err := t.exchange(on, t.names.rpc(), amqp.Table{"alternate-exchange": t.names.any()})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.single = asIs
	return err
}

func (t *topology) exchange(on *scratch, name string, args amqp.Table) (asIs bool, err error) {
	return t.declare(on, "exchange "+name,
		func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(name, amqp.ExchangeHeaders, true, false, false, false, args)
		},
		func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(name, amqp.ExchangeHeaders, true, false, false, false, nil)
		})
}

// general returns the exchange that knows services. Where rpc was there before us,
// without an alternate exchange, it is that one, and no method can have a queue of its own.
func (t *topology) general() (exchange string, single bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.single {
		return t.names.rpc(), true
	}
	return t.names.any(), false
}

// announce declares what callers of a service need: its queue and the way there.
func (t *topology) announce(on *scratch, service string) error {
	queue, dead := t.names.queue(service), t.names.dead(service)
	if err := t.queue(on, dead, t.keepArguments()); err != nil {
		return err
	}
	if err := t.queue(on, queue, t.queueArguments()); err != nil {
		return err
	}
	general, _ := t.general()
	if err := t.bind(on, queue, general, amqp.Table{"x-match": "all", headerDestination: service}); err != nil {
		return err
	}
	// Requests that expire are dead-lettered too, which would bury the dead letters
	// that people should see; so the reason decides. (all-with-x: since 3.10)
	for _, args := range []amqp.Table{
		{"x-match": "all-with-x", "x-first-death-queue": queue, "x-first-death-reason": "rejected"},
		{"x-match": "all-with-x", "x-first-death-queue": queue, "x-first-death-reason": "delivery_limit"},
		// Of what was delayed the first death was the end of that. It cannot expire.
		{"x-match": "all", headerDestination: service, headerDelayed: "yes"},
	} {
		if err := t.bind(on, dead, t.names.letters(), args); err != nil {
			return err
		}
	}
	return nil
}

// serve declares what a worker needs beyond what callers do.
func (t *topology) serve(on *scratch, service string, bindings []string) error {
	if err := t.announce(on, service); err != nil {
		return err
	}
	for _, queue := range []string{t.names.suspects(service), t.names.alone(service)} {
		if err := t.queue(on, queue, t.keepArguments()); err != nil {
			return err
		}
	}
	// What waits for its turn to run alone comes by the way of delayed messages.
	alone := t.names.alone(service)
	general, single := t.general()
	if err := t.bind(on, alone, general, amqp.Table{"x-match": "all", headerDestination: aloneOf(service)}); err != nil {
		return err
	}
	if single && len(bindings) > 0 {
		return &transports.RefusedError{Err: fmt.Errorf(
			"exchange %s was declared by somebody else, without the alternate exchange %s, so %q cannot have queues of their own: what is sent to them would go to %s as well. Delete that exchange, or use a namespace",
			t.names.rpc(), t.names.any(), bindings, t.names.queue(service))}
	}
	for _, method := range bindings {
		queue := t.names.method(service, method)
		if err := t.queue(on, queue, t.queueArguments()); err != nil {
			return err
		}
		args := amqp.Table{"x-match": "all", headerDestination: service, headerProcedure: method}
		if err := t.bind(on, queue, t.names.rpc(), args); err != nil {
			return err
		}
	}
	return nil
}

// aloneOf is the destination of what has to run alone. No service is named so.
func aloneOf(service string) string { return service + ".alone" }

// replies declares the queue of one process's replies.
func (t *topology) replies(on *scratch, queue string) error {
	return t.queue(on, queue, t.replyArguments())
}

// box declares a queue for one call's reply, which goes when nobody has looked into it
// for so long. Its arguments are legal where those of other queues for replies are.
func (t *topology) box(on *scratch, queue string, life time.Duration) error {
	return t.queue(on, queue, amqp.Table{"x-queue-type": "classic", "x-expires": life.Milliseconds()})
}

// rung declares a rung of the ladder. What has waited there is routed anew.
func (t *topology) rung(on *scratch, queue string, ttl int64) error {
	return t.queue(on, queue, amqp.Table{
		"x-queue-type":              "quorum",
		"x-message-ttl":             ttl,
		"x-dead-letter-exchange":    t.names.rpc(),
		"x-dead-letter-routing-key": "",
		// With these two a message leaves the rung only when the next queue has it.
		"x-dead-letter-strategy": "at-least-once",
		"x-overflow":             "reject-publish",
	})
}

func (t *topology) queue(on *scratch, name string, args amqp.Table) error {
	_, err := t.declare(on, "queue "+name,
		func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(name, true, false, false, false, args)
			return err
		},
		func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			return err
		})
	return err
}

func (t *topology) bind(on *scratch, queue, exchange string, args amqp.Table) error {
	err := on.do(func(ch *amqp.Channel) error { return ch.QueueBind(queue, "", exchange, false, args) })
	fault, ok := errors.AsType[*amqp.Error](err)
	if ok && fault.Code == amqp.AccessRefused {
		t.warn("binding of "+queue+" to "+exchange+" may not be made, and is taken to be there", fault)
		return nil // nobody can ask
	}
	if ok && fault.Code == amqp.PreconditionFailed {
		// Brokers that are like RabbitMQ do not know all-with-x.
		t.warn("binding of "+queue+" to "+exchange+" is refused, so what the broker itself gives up is lost", fault)
		return nil
	}
	if err != nil {
		return fmt.Errorf("bind %s to %s: %w", queue, exchange, err)
	}
	return nil
}

// declare makes something on a channel of its own, as a fault closes the channel. What
// exists with other arguments, or may only be used, is used as it is and warned of.
// asIs says that it is another than ours: nobody can tell where it may only be used.
func (t *topology) declare(on *scratch, what string, do, passive func(ch *amqp.Channel) error) (asIs bool, err error) {
	err = on.do(do)
	fault, ok := errors.AsType[*amqp.Error](err)
	if !ok || fault.Code != amqp.PreconditionFailed && fault.Code != amqp.AccessRefused {
		return false, refused("declare "+what, err)
	}
	if strings.Contains(fault.Reason, "arg 'type' for exchange") {
		return false, &transports.RefusedError{Err: fmt.Errorf(
			"declare %s: %w; one of another type routes requests to whom they are not for. Delete it, or use a namespace", what, fault)}
	}
	if err := on.do(passive); err != nil {
		return false, refused("declare "+what, fault) // the first one says more
	}
	t.warn(what+" is not as this version would declare it, and is used as it is", fault)
	return fault.Code == amqp.PreconditionFailed, nil
}

// warn says something once.
func (t *topology) warn(text string, fault *amqp.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.warned[text] {
		t.warned[text] = true
		t.log.Warn(text, "err", fault.Reason)
	}
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
