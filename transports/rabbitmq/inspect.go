package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

var (
	_ transports.Inspector = (*Transport)(nil)
	_ transports.Pinger    = (*Transport)(nil)
)

// Ping implements transports.Pinger.
func (t *Transport) Ping(ctx context.Context) error {
	if t.isClosed() {
		return fmt.Errorf("ping: %w", transports.ErrClosed)
	}
	// The broker answers to a channel that is opened.
	return t.wrapped(ctx, "ping", t.admin(ctx, func(*amqp.Channel) error { return nil }))
}

// Services implements transports.Inspector, for those services of Options.Catalogue and
// Options.Known that were ever announced: AMQP tells about queues that one can name, and
// lists none. Of a queue it tells how many messages wait and how many consumers there
// are, and no more; so what is taken, delayed or to be retried is nil, and so are
// Workers. Waiting counts the service's own queue, not those of methods that have one.
// Of a service about which the broker answers with an error nothing but the name is
// told; it is an error only if there is no other.
func (t *Transport) Services(ctx context.Context) ([]transports.ServiceStatus, error) {
	const doing = "inspect services"
	if t.isClosed() {
		return nil, fmt.Errorf("%s: %w", doing, transports.ErrClosed)
	}
	if err := t.Ping(ctx); err != nil {
		return nil, err
	}
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(t.opts.Catalogue, t.opts.Known))))
	all, errs := make([]*transports.ServiceStatus, len(names)), make([]error, len(names))
	var inspecting sync.WaitGroup
	slots := make(chan struct{}, 8) // a question takes the time of the way to the broker and back
	for i, name := range names {
		slots <- struct{}{}
		inspecting.Go(func() {
			defer func() { <-slots }()
			all[i], errs[i] = t.statusOf(ctx, name)
		})
	}
	inspecting.Wait()
	announced := []transports.ServiceStatus{}
	var hidden []string
	for i, status := range all {
		switch {
		case errs[i] != nil:
			hidden = append(hidden, names[i])
			announced = append(announced, transports.ServiceStatus{Name: names[i]})
		case status != nil:
			announced = append(announced, *status)
		}
	}
	err := errors.Join(errs...)
	if err != nil && len(hidden) == len(announced) {
		return nil, t.trouble(ctx, doing, err)
	}
	if err != nil {
		t.log.Warn("services cannot be inspected", "services", hidden, "err", err)
	}
	return announced, nil
}

// statusOf asks about one service; nil if nobody ever announced it.
func (t *Transport) statusOf(ctx context.Context, service string) (*transports.ServiceStatus, error) {
	names := []string{t.names.queue(service), t.names.dead(service), t.names.suspects(service), t.names.alone(service)}
	queues, err := t.queues(ctx, names)
	if err != nil {
		return nil, err
	}
	own, ok := queues[names[0]]
	if !ok {
		return nil, nil
	}
	waiting, consumers, dead := int64(own.Messages), int64(own.Consumers), int64(queues[names[1]].Messages)
	suspects := int64(queues[names[2]].Messages) + int64(queues[names[3]].Messages)
	return &transports.ServiceStatus{Name: service, Waiting: &waiting, Consumers: &consumers, Dead: &dead, Suspects: &suspects}, nil
}

// queues tells about those of the queues that exist.
func (t *Transport) queues(ctx context.Context, names []string) (map[string]amqp.Queue, error) {
	found := make(map[string]amqp.Queue, len(names))
	for len(names) > 0 {
		var some map[string]amqp.Queue
		err := t.admin(ctx, func(ch *amqp.Channel) error {
			asked := make(map[string]amqp.Queue, len(names))
			for _, name := range names {
				queue, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
				if err != nil {
					some = asked
					return fmt.Errorf("ask about queue %s: %w", name, err)
				}
				asked[name] = queue
			}
			some = asked
			return nil
		})
		missing := isFault(err, amqp.NotFound)
		if err != nil && !missing {
			return nil, err
		}
		maps.Copy(found, some)
		names = names[len(some):]
		if missing {
			names = names[1:] // and the channel is closed
		}
	}
	return found, nil
}

// isFault reports whether the broker has answered with an error of that code.
func isFault(err error, code int) bool {
	fault, ok := errors.AsType[*amqp.Error](err)
	return ok && fault.Server && fault.Code == code
}
