package rabbitmq

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

const calculator = "calculator"

// patience bounds waits that only a fault makes long.
const patience = time.Minute

// An app is what the processes of one test have in common.
type app struct {
	testing.TB
	url string
}

func newApp(tb testing.TB) *app {
	tb.Helper()
	return &app{tb, brokertest.Vhost(tb)}
}

// process opens one process of the app, closed with the test. It announces
// calculator and reaches the broker at the app's URL, unless change says otherwise.
func (a *app) process(change ...func(*Options, *timing)) *Transport {
	a.Helper()
	o, timing := Options{URLs: []string{a.url}, Catalogue: []string{calculator}}, quick()
	o.Log = slog.New(slog.NewTextHandler(a.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, c := range change {
		c(&o, &timing)
	}
	t, err := open(o, timing)
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { _ = t.Close() })
	return t
}

// through has a process reach the broker elsewhere.
func through(urls ...string) func(*Options, *timing) {
	return func(o *Options, _ *timing) { o.URLs = urls }
}

// serve has a process serve calculator until the test ends or the returned function
// is called, which returns what Serve did. The second one returns it when Serve has
// ended by itself.
func (a *app) serve(t *Transport, h transports.Handler, slots int, bindings ...string) (stop, ended func() error) {
	a.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = t.Serve(ctx, transports.Service{Name: calculator, Handler: h, Slots: slots, Bindings: bindings})
	}()
	ended = func() error {
		a.Helper()
		select {
		case <-done:
			return err
		case <-time.After(patience):
			a.Fatal("Serve does not return")
			return nil
		}
	}
	stop = func() error {
		a.Helper()
		cancel()
		return ended()
	}
	a.Cleanup(func() { _ = t.Close(); cancel(); <-done })
	return stop, ended
}

// ctx returns a context that only a fault lets end.
func (a *app) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.Context()), patience)
	a.Cleanup(cancel)
	return ctx
}

// call makes a call that has to be answered.
func (a *app) call(t *Transport, body string) {
	a.Helper()
	reply, err := t.Call(a.ctx(), calculator, transports.Message{Body: []byte(body)})
	if err != nil || !strings.HasSuffix(string(reply), body) {
		a.Fatalf("call with %q: reply %q, error %v", body, reply, err)
	}
}

// A pending call's result comes when it comes.
type pending struct {
	reply string
	err   error
}

// begin calls in the background.
func (a *app) begin(t *Transport, body string) <-chan pending {
	result := make(chan pending, 1)
	ctx := a.ctx()
	go func() {
		reply, err := t.Call(ctx, calculator, transports.Message{Body: []byte(body)})
		result <- pending{string(reply), err}
	}()
	return result
}

// await returns what comes from a channel.
func await[T any](tb testing.TB, what string, c <-chan T) (v T) {
	tb.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		tb.Fatalf("waited %v for %s", patience, what)
	}
	return v
}

func (a *app) eventually(what string, ok func() bool) {
	a.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// channel is that of a program that knows nothing of us.
func (a *app) channel() *amqp.Channel {
	a.Helper()
	conn, err := amqp.Dial(a.url)
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		a.Fatal(err)
	}
	return ch
}

// stranger is a worker that knows nothing of us: it takes all that comes to calculator's
// queue, for which caller announces that, and settles it at once.
func (a *app) stranger(caller *Transport) (*amqp.Channel, <-chan amqp.Delivery) {
	a.Helper()
	a.announced(caller)
	ch := a.channel()
	deliveries, err := ch.Consume(calculator, "", true, false, false, false, nil)
	if err != nil {
		a.Fatal(err)
	}
	return ch, deliveries
}

// put publishes what another program sends, and waits until the broker has it.
func (a *app) put(ch *amqp.Channel, exchange, key string, p amqp.Publishing) {
	a.Helper()
	if err := ch.Confirm(false); err != nil {
		a.Fatal(err)
	}
	confirm, err := ch.PublishWithDeferredConfirm(exchange, key, false, false, p)
	if err != nil {
		a.Fatal(err)
	}
	if ok, err := confirm.WaitContext(a.ctx()); err != nil || !ok {
		a.Fatalf("publish to %q, %q: taken %v, error %v", exchange, key, ok, err)
	}
}

// announced returns when a process has declared what it announces.
func (a *app) announced(t *Transport) {
	a.Helper()
	if _, err := t.publishing.session(a.ctx(), forever); err != nil {
		a.Fatal(err)
	}
}

// queue returns what the broker says of a queue, nil if there is none.
func (a *app) queue(name string) *brokertest.QueueInfo {
	a.Helper()
	queues := brokertest.Queues(a, a.url)
	if i := slices.IndexFunc(queues, func(q brokertest.QueueInfo) bool { return q.Name == name }); i >= 0 {
		return &queues[i]
	}
	return nil
}

// consumed waits until a queue is there and consumed by so many. The management API
// also counts consumers that the broker has cancelled.
func (a *app) consumed(queue string, by int) {
	a.Helper()
	ch := a.channel()
	a.eventually("the consumers of "+queue, func() bool {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if err != nil {
			ch = a.channel()
		}
		return err == nil && q.Consumers == by
	})
}

// A notebook keeps what was logged.
type notebook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notebook) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// noted has a process log into a notebook.
func (n *notebook) noted(o *Options, _ *timing) {
	o.Log = slog.New(slog.NewTextHandler(n, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func echo(_ context.Context, m transports.Message) transports.Outcome {
	return transports.Outcome{Reply: append([]byte("echo "), m.Body...)}
}

// A journal counts how often each message was run.
type journal struct {
	mu   sync.Mutex
	runs map[string]int
}

func (j *journal) note(body []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.runs == nil {
		j.runs = make(map[string]int)
	}
	j.runs[string(body)]++
}

func (j *journal) read() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.runs)
}

func (j *journal) echo(ctx context.Context, m transports.Message) transports.Outcome {
	j.note(m.Body)
	return echo(ctx, m)
}
