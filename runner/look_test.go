package runner

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A fakeBroker has services and dead letters, and no workers.
type fakeBroker struct {
	transports.Transport

	mu     sync.Mutex
	status []transports.ServiceStatus
	dead   map[string][]transports.DeadLetter // by service, the newest first
	queue  []string                           // ids that were put back
	looks  int
	look   func(n int) error // called at the nth look at all services
}

func (b *fakeBroker) open(Target) (Link, error) { return Link{Transport: b}, nil }
func (*fakeBroker) Close() error                { return nil }

// Call is not answered.
func (*fakeBroker) Call(ctx context.Context, _ string, _ transports.Message) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (*fakeBroker) Ping(context.Context) error { return nil }

func (b *fakeBroker) Services(ctx context.Context) ([]transports.ServiceStatus, error) {
	b.mu.Lock()
	b.looks++
	n, list := b.looks, slices.Clone(b.status)
	b.mu.Unlock()
	if b.look != nil {
		if err := b.look(n); err != nil {
			return nil, err
		}
	}
	return list, ctx.Err()
}

func (b *fakeBroker) DeadLetters(ctx context.Context, service string, visit func(transports.DeadLetter) bool) error {
	b.mu.Lock()
	dead, ok := b.dead[service]
	dead = slices.Clone(dead)
	b.mu.Unlock()
	if !ok {
		return transports.ErrNoService
	}
	for _, l := range dead {
		if !visit(l) {
			return nil
		}
	}
	return ctx.Err()
}

func (b *fakeBroker) RetryDead(_ context.Context, service string, ids ...string) (n int, err error) {
	return b.take(service, ids, func(id string) { b.queue = append(b.queue, id) })
}

func (b *fakeBroker) DeleteDead(_ context.Context, service string, ids ...string) (n int, err error) {
	return b.take(service, ids, func(string) {})
}

func (b *fakeBroker) take(service string, ids []string, found func(string)) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.dead[service]; !ok {
		return 0, transports.ErrNoService
	}
	for _, id := range ids {
		i := slices.IndexFunc(b.dead[service], func(l transports.DeadLetter) bool { return l.ID == id })
		if i >= 0 {
			b.dead[service] = slices.Delete(b.dead[service], i, i+1)
			found(id)
			n++
		}
	}
	return n, nil
}

func (b *fakeBroker) Pause(_ context.Context, service string) error {
	return b.setPaused(service, true)
}

func (b *fakeBroker) Resume(_ context.Context, service string) error {
	return b.setPaused(service, false)
}

func (b *fakeBroker) setPaused(service string, paused bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.status {
		if b.status[i].Name == service {
			b.status[i].Paused = paused
			return nil
		}
	}
	return transports.ErrNoService
}

// What a transport cannot do is said in a sentence.
func TestTransportWithoutAbilities(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_URL": "redis://h"})
	site := newSite().with(pinged{}.open)
	for want, commands := range map[string][][]string{
		"list services":     {{"services"}, {"queues"}, {"dead", "list"}},
		"keep dead letters": {{"dead", "list", "tester"}, {"dead", "show", "tester", "a"}, {"dead", "retry", "tester", "a"}, {"dead", "delete", "--all", "--yes", "tester"}},
		"pause services":    {{"pause", "tester"}, {"resume", "tester"}},
	} {
		for _, args := range commands {
			got := site.run(t, args...)
			if got.Code != 3 || got.Stderr != "app: the broker from JOURNEYMAN_URL cannot "+want+": not supported by this transport\n" {
				t.Errorf("%q: %+v", args, got)
			}
		}
	}
	t.Setenv("JOURNEYMAN_URL", "amqp://h")
	want := result{3, "", "app: not supported by this transport: RabbitMQ cannot pause services, and Redis can\n"}
	if got := site.run(t, "pause", "tester"); got != want {
		t.Errorf("on RabbitMQ: %+v", got)
	}
}

func TestLookDeadline(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_URL": "redis://h", "JOURNEYMAN_TIMEOUT": "50ms"})
	broker := &silentBroker{}
	want := result{3, "", "app: the broker at redis://h (from JOURNEYMAN_URL) did not answer within 50ms\n"}
	for _, args := range [][]string{
		{"services"}, {"queues"}, {"queues", "--watch"}, {"dead", "list"}, {"dead", "list", "tester"}, {"dead", "show", "tester", "a"},
		{"dead", "retry", "tester", "a"}, {"dead", "retry", "--all", "tester"}, {"pause", "tester"},
	} {
		got := newSite().with(broker.open).run(t, args...)
		if got.Code != want.Code || got.Stderr != want.Stderr {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// A silentBroker answers nothing.
type silentBroker struct{ transports.Transport }

func (b *silentBroker) open(Target) (Link, error) { return Link{Transport: b}, nil }
func (*silentBroker) Close() error                { return nil }

func (*silentBroker) Services(ctx context.Context) ([]transports.ServiceStatus, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (*silentBroker) DeadLetters(ctx context.Context, _ string, _ func(transports.DeadLetter) bool) error {
	<-ctx.Done()
	return ctx.Err()
}

func (*silentBroker) RetryDead(ctx context.Context, _ string, _ ...string) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}
func (b *silentBroker) DeleteDead(ctx context.Context, s string, ids ...string) (int, error) {
	return b.RetryDead(ctx, s, ids...)
}

func (*silentBroker) Pause(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}
func (b *silentBroker) Resume(ctx context.Context, s string) error { return b.Pause(ctx, s) }

func TestAge(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": -time.Hour, "59s": 59*time.Second + 900*time.Millisecond, "3m12s": 192 * time.Second, "59m59s": 3599 * time.Second,
		"1h00m": time.Hour, "23h59m": 24*time.Hour - time.Second, "1d00h": 24 * time.Hour, "12d03h": 291 * time.Hour,
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %q, want %q", d, got, want)
		}
	}
}

// Text of others must not reach a terminal as commands.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain text, ünïcode ж": "plain text, ünïcode ж", "a\x1b[31m\nb\tc\x00": "a·[31m·b·c·", "csi\u009b2J bidi\u202e": "csi·2J bidi·", "": "",
	} {
		if got := printable(text); got != want {
			t.Errorf("printable(%q) = %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"": "", "ünïc": "ünïc", "ünïcö": "ünï…"} {
		if got := shorten(text, 4); got != want {
			t.Errorf("shorten(%q, 4) = %q, want %q", text, got, want)
		}
	}
}

func TestInterruptedLook(t *testing.T) {
	isolate(t, nil)
	p := newSite().with((&silentBroker{}).open).spawn(t, "dead", "list", "tester")
	p.signals <- os.Interrupt
	if code := p.wait(t); code != 3 || p.out.String() != "app: interrupted\n" {
		t.Errorf("exit code %d, and it printed %q", code, p.out)
	}
}

var errNoBroker = errors.Join(transports.ErrUnavailable, errors.New("gone"))
