package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

var (
	_ transports.Transport       = (*Transport)(nil)
	_ transports.Pinger          = (*Transport)(nil)
	_ transports.Inspector       = (*Transport)(nil)
	_ transports.Locator         = (*Transport)(nil)
	_ transports.Mailbox         = (*Transport)(nil)
	_ transports.Pauser          = (*Transport)(nil)
	_ transports.DeadLetterQueue = (*Transport)(nil)
)

// Options of one process. The zero value works.
type Options struct {
	Catalogue  []string     // services to announce, beside those that it serves
	MaxMessage int          // longest body in bytes; 0 means 8 MiB
	MaxQueue   int          // messages that may wait in one queue before ErrBusy; 0 means 100000
	Log        *slog.Logger // panics of handlers; nil means slog.Default()
}

// A Transport is one process at a Broker.
type Transport struct {
	broker     *Broker
	maxMessage int
	maxQueue   int
	log        *slog.Logger
	life       context.Context // ends with Close
	end        context.CancelFunc
	workers    map[*worker]*queue // those of running Serves; guarded by broker.mu
}

// Open returns the one transport of a broker of its own, which announces the
// services of the catalogue. It panics if one of the names is illegal.
func Open(catalogue ...string) *Transport {
	return New().Open(Options{Catalogue: catalogue})
}

// Open adds a process to the broker. It panics if transports.CheckName refuses
// a name of the catalogue.
func (b *Broker) Open(o Options) *Transport {
	for _, name := range o.Catalogue {
		if err := transports.CheckName(name); err != nil {
			panic("open memory transport: " + err.Error())
		}
	}
	t := &Transport{
		broker:     b,
		maxMessage: cmp.Or(o.MaxMessage, 8<<20),
		maxQueue:   cmp.Or(o.MaxQueue, 100_000),
		log:        cmp.Or(o.Log, slog.Default()),
		workers:    map[*worker]*queue{},
	}
	t.life, t.end = context.WithCancel(context.Background())
	b.mu.Lock()
	defer b.mu.Unlock()
	b.announceLocked(o.Catalogue...)
	return t
}

// Call implements transports.Caller.
func (t *Transport) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	if m.Unique != "" {
		return nil, fmt.Errorf("call %s: a unique message may be dropped, and then nobody answers: %w", service, transports.ErrUnsupported)
	}
	if deadline, ok := ctx.Deadline(); ok && m.Expires.IsZero() {
		m.Expires = deadline
	}
	j := newJob(m, make(chan reply, 1))
	if err := t.enqueue(ctx, service, j); err != nil {
		return nil, fmt.Errorf("call %s: %w", service, err)
	}
	select {
	case r := <-j.replies:
		if r.err != nil {
			return nil, fmt.Errorf("call %s: %w", service, r.err)
		}
		return r.body, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			t.withdraw(service, j)
		}
		return nil, fmt.Errorf("call %s: %w", service, ctx.Err())
	case <-t.life.Done():
		return nil, fmt.Errorf("call %s: %w", service, transports.ErrClosed)
	}
}

// withdraw takes back the message of a cancelled call, or tells its handler.
func (t *Transport) withdraw(service string, j *job) {
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	j.cancelled = true
	t.broker.queueLocked(service).remove(j)
	if j.cancel != nil {
		j.cancel()
	}
}

// Send implements transports.Caller.
func (t *Transport) Send(ctx context.Context, service string, m transports.Message) error {
	if err := t.enqueue(ctx, service, newJob(m, nil)); err != nil {
		return fmt.Errorf("send to %s: %w", service, err)
	}
	return nil
}

// enqueue checks j's message and puts it into the queue of the service, which must
// have been announced.
func (t *Transport) enqueue(ctx context.Context, service string, j *job) error {
	if err := transports.CheckName(service); err != nil {
		return err
	}
	m := &j.message
	if n := len(m.Body); n > t.maxMessage {
		return fmt.Errorf("body of %d bytes, limit %d: %w", n, t.maxMessage, transports.ErrTooLarge)
	}
	for name, value := range m.Header {
		if strings.ContainsAny(name+value, "\r\n") {
			return fmt.Errorf("header %q: line break in %q", name, value)
		}
	}
	m.ID = cmp.Or(m.ID, rand.Text())
	m.Key = cmp.Or(m.Key, m.ID)

	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	if err := t.alive(ctx); err != nil {
		return err
	}
	q, err := t.broker.announcedLocked(service)
	if err != nil {
		return err
	}
	if now := time.Now(); !m.NotBefore.After(now) {
		q.promote(now)
		if n := q.ready.Len(); n >= t.maxQueue {
			return fmt.Errorf("%d messages wait, limit %d: %w", n, t.maxQueue, transports.ErrBusy)
		}
	}
	if j.box != nil {
		t.broker.clearLocked()
		t.broker.boxes[j.box.name] = j.box
	}
	q.put(j)
	return nil
}

// Close implements transports.Transport. It never fails and waits for no
// handler: what runs is given back at once, and its outcome will be ignored.
func (t *Transport) Close() error {
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	t.end()
	for w, q := range t.workers {
		newestFirst := slices.SortedFunc(maps.Keys(w.running), func(a, b *job) int {
			return b.message.Enqueued.Compare(a.message.Enqueued)
		})
		for _, j := range newestFirst {
			j.message.Redelivered = true
			q.unclaim(j)
			q.putBack(j)
		}
		clear(w.running)
	}
	return nil
}
