package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

var _ transports.DeadLetterQueue = (*Transport)(nil)

// A window bounds what is held of the dead letters to be shown newest first, which come
// oldest first.
type window struct{ letters, bytes int }

func wideWindow() window { return window{letters: 10_000, bytes: 64 << 20} }

// DeadLetters implements transports.DeadLetterQueue. It reads the whole queue, and of
// more than 10 000 letters, or 64 MiB of them, once more for those before the newest.
// While the queue is read, its letters are with the reader: RetryDead, DeleteDead and
// others who look wait so long. visit is called when they are back. A reader that dies
// can leave them in another order.
func (t *Transport) DeadLetters(ctx context.Context, service string, visit func(transports.DeadLetter) bool) error {
	return t.wrapped(ctx, "list dead letters of "+service, t.showDead(ctx, service, wideWindow(), visit))
}

func (t *Transport) showDead(ctx context.Context, service string, w window, visit func(transports.DeadLetter) bool) error {
	// Letters that others take out meanwhile move those that were visited into the
	// next part.
	visited, seed := make(map[uint64]bool), maphash.MakeSeed()
	for upTo := math.MaxInt; upTo > 0; {
		part, older, err := t.newestDead(ctx, service, upTo, w)
		if err != nil {
			return err
		}
		sums := make([]uint64, len(part))
		for i, l := range slices.Backward(part) {
			sums[i] = maphash.String(seed, l.ID+l.Buried.String()) ^ maphash.Bytes(seed, l.Message.Body)
			if !visited[sums[i]] && !visit(l) {
				return nil
			}
		}
		for _, sum := range sums {
			visited[sum] = true
		}
		upTo = older
	}
	return nil
}

// newestDead returns the newest of the oldest so many letters, oldest first, and how
// many are older than those.
func (t *Transport) newestDead(ctx context.Context, service string, upTo int, w window) (part []transports.DeadLetter, older int, err error) {
	var held []amqp.Delivery
	seen, bytes := 0, 0
	err = t.scanDead(ctx, service, func(d amqp.Delivery) error {
		if seen++; seen > upTo {
			return nil
		}
		held = append(held, d)
		for bytes += len(d.Body); len(held) > w.letters || bytes > w.bytes && len(held) > 1; older++ {
			bytes -= len(held[0].Body)
			held[0] = amqp.Delivery{}
			held = held[1:]
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	now := time.Now()
	for _, d := range held {
		part = append(part, decodeDead(d, now))
	}
	// Whoever looked before and died may have left them in another order.
	slices.SortStableFunc(part, func(a, b transports.DeadLetter) int { return a.Buried.Compare(b.Buried) })
	return part, older, nil
}

// RetryDead implements transports.DeadLetterQueue. Letters that share an id count one
// by one: an id that is given twice puts two of them back, the oldest first. What is
// put back is confirmed by the broker before it ceases to be a dead letter: what dies
// in between leaves both. A full queue is ErrBusy, and the letter stays.
func (t *Transport) RetryDead(ctx context.Context, service string, ids ...string) (int, error) {
	n, err := t.unbury(ctx, service, ids, func(ctx context.Context, l transports.DeadLetter) error {
		return t.revive(ctx, service, l)
	})
	return n, t.wrapped(ctx, "retry dead letters of "+service, err)
}

// DeleteDead implements transports.DeadLetterQueue, with ids as in RetryDead.
func (t *Transport) DeleteDead(ctx context.Context, service string, ids ...string) (int, error) {
	n, err := t.unbury(ctx, service, ids, func(context.Context, transports.DeadLetter) error { return nil })
	return n, t.wrapped(ctx, "delete dead letters of "+service, err)
}

// unbury takes the letters called ids out of the queue, each after instead has been
// done for it.
func (t *Transport) unbury(
	ctx context.Context, service string, ids []string, instead func(context.Context, transports.DeadLetter) error,
) (int, error) {
	wanted := make(map[string]int)
	for _, id := range ids {
		wanted[id]++
	}
	var found atomic.Int64 // whoever gives up waiting asks while the scan may still run
	ctx, stop := t.whileOpen(ctx)
	defer stop()
	err := t.scanDead(ctx, service, func(d amqp.Delivery) error {
		l := decodeDead(d, time.Now())
		if wanted[l.ID] == 0 {
			return nil
		}
		if err := instead(ctx, l); err != nil {
			return fmt.Errorf("message %s: %w", l.ID, err)
		}
		if err := d.Ack(false); err != nil {
			return err
		}
		wanted[l.ID]--
		found.Add(1)
		return nil
	})
	return int(found.Load()), err
}

// revive sends the message that a letter becomes when it is to be run again.
func (t *Transport) revive(ctx context.Context, service string, l transports.DeadLetter) error {
	m, now := l.Message, time.Now()
	m.Expires, m.NotBefore, m.Enqueued = time.Time{}, time.Time{}, now
	m.Failures = 0
	m.Redelivered = true // as far as the handler is concerned, it may have run before
	m.Unread = true      // whoever waited for the reply has been told
	message := encodeMessage(service, m, 0, now)
	for refused := 1; ; refused++ {
		err := t.publish(ctx, t.names.rpc(), "", message)
		if !errors.Is(err, transports.ErrBusy) || !t.mayTryAgain(ctx, service, refused) {
			return err
		}
	}
}

// wrapped is trouble where there may be none.
func (t *Transport) wrapped(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	return t.trouble(ctx, doing, err)
}
