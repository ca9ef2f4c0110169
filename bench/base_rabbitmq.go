package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rabbitQueue is beside ours, which is of another make.
const rabbitQueue = "base." + queue

// directReplies is RabbitMQ's own way to answer without a queue.
const directReplies = "amq.rabbitmq.reply-to"

// A baseRabbit is the tutorial's caller: one channel, replies matched by their
// correlation id. As with ours, a request counts as sent when the broker has confirmed it.
type baseRabbit struct {
	conn   *amqp.Connection
	ch     *amqp.Channel
	letter letter
	ids    *ids

	mu      sync.Mutex
	pending map[string]chan []byte
}

// dialRabbit opens a channel with confirms and declares the queue.
func dialRabbit(url string) (*amqp.Connection, *amqp.Channel, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, nil, err
	}
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err == nil {
		_, err = ch.QueueDeclare(rabbitQueue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	}
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, ch, nil
}

func openBaseRabbit(t target) (caller, error) {
	conn, ch, err := dialRabbit(t.URLs[0])
	if err != nil {
		return nil, err
	}
	replies, err := ch.Consume(directReplies, "", true, false, false, false, nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	b := &baseRabbit{conn: conn, ch: ch, letter: t.Work.letter(), ids: newIDs(), pending: map[string]chan []byte{}}
	go b.read(replies) // until Close
	return b, nil
}

func (b *baseRabbit) Close() error { return b.conn.Close() }

func (b *baseRabbit) read(replies <-chan amqp.Delivery) {
	for d := range replies {
		b.mu.Lock()
		waiting := b.pending[d.CorrelationId]
		delete(b.pending, d.CorrelationId)
		b.mu.Unlock()
		if waiting != nil {
			waiting <- d.Body
		}
	}
}

func (b *baseRabbit) call(ctx context.Context, _ int) error {
	id := b.ids.next()
	body, err := b.letter.request(id)
	if err != nil {
		return err
	}
	waiting := make(chan []byte, 1)
	b.mu.Lock()
	b.pending[id] = waiting
	b.mu.Unlock()
	err = publish(ctx, b.ch, rabbitQueue, amqp.Publishing{
		ContentType: "application/json", DeliveryMode: amqp.Persistent,
		CorrelationId: id, ReplyTo: directReplies, Body: body,
	})
	if err != nil {
		return fmt.Errorf("publish a request: %w", err)
	}
	select {
	case reply := <-waiting:
		return b.letter.check(id, reply)
	case <-ctx.Done():
		return fmt.Errorf("wait for a reply: %w", ctx.Err())
	}
}

// publish returns when the broker has confirmed the message.
func publish(ctx context.Context, ch *amqp.Channel, key string, p amqp.Publishing) error {
	confirm, err := ch.PublishWithDeferredConfirm("", key, false, false, p)
	if err != nil {
		return err
	}
	ok, err := confirm.WaitContext(ctx)
	if err == nil && !ok {
		err = errors.New("the broker refused it")
	}
	return err
}

// workBaseRabbit takes as many requests as it has slots, each in a goroutine, and
// acknowledges each when its reply is confirmed.
func workBaseRabbit(t target, ready func()) error {
	conn, ch, err := dialRabbit(t.URLs[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ch.Qos(slots, 0, false); err != nil {
		return err
	}
	requests, err := ch.Consume(rabbitQueue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	ready()
	var running sync.WaitGroup
	for d := range requests {
		running.Go(func() {
			if err := serveBaseRabbit(ch, d); err != nil {
				fmt.Fprintln(os.Stderr, "base worker:", err)
			}
		})
	}
	running.Wait()
	return errors.New("the connection is gone")
}

func serveBaseRabbit(ch *amqp.Channel, d amqp.Delivery) error {
	_, reply := answer(d.Body)
	err := publish(context.Background(), ch, d.ReplyTo, amqp.Publishing{
		ContentType: "application/json", CorrelationId: d.CorrelationId, Body: reply,
	})
	if err != nil {
		return err
	}
	return d.Ack(false)
}
