package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// patient returns a context that ends long after every test should have.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// opened returns a transport that is closed with the test.
func opened(t *testing.T, o Options) *Transport {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	tr := openQuick(t, o)
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return tr
}

// raw returns a channel of a connection of its own.
func raw(t *testing.T, url string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// bury puts letters called 0 to n-1 among the dead ones, with bodies of so many bytes.
func bury(t *testing.T, tr *Transport, n, size int) {
	t.Helper()
	if _, err := tr.publishing.session(patient(t), forever); err != nil { // which announces
		t.Fatal(err)
	}
	ch := raw(t, tr.opts.URLs[0])
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	var confirms []*amqp.DeferredConfirmation
	for i := range n {
		m := transports.Message{ID: strconv.Itoa(i), Key: "k", Body: make([]byte, size)}
		p := encodeDead("calculator", inbound{message: m}, "hopeless", at(int64(i)))
		c, err := ch.PublishWithDeferredConfirmWithContext(patient(t), "", tr.names.dead("calculator"), true, false, p)
		if err != nil {
			t.Fatal(err)
		}
		confirms = append(confirms, c)
	}
	for _, c := range confirms {
		if ok, err := c.WaitContext(patient(t)); !ok || err != nil {
			t.Fatalf("a letter was not taken: %v", err)
		}
	}
}

// shown returns the ids of the dead letters, newest first.
func shown(t *testing.T, tr *Transport, w window) []string {
	t.Helper()
	var ids []string
	err := tr.showDead(patient(t), "calculator", w, func(l transports.DeadLetter) bool {
		ids = append(ids, l.ID)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// down returns first, first-step, … to last.
func down(first, last, step int) []string {
	var ids []string
	for i := first; i >= last; i -= step {
		ids = append(ids, strconv.Itoa(i))
	}
	return ids
}

// What is held in memory is bounded, and what is shown is not.
func TestDeadLettersInParts(t *testing.T) {
	t.Parallel()
	tr := opened(t, Options{URLs: []string{brokertest.Vhost(t)}, Catalogue: []string{"calculator"}})
	bury(t, tr, 100, 10)
	for _, w := range []window{wideWindow(), {letters: 17, bytes: 1 << 20}, {letters: 99, bytes: 1 << 20}, {letters: 1000, bytes: 255}} {
		if diff := cmp.Diff(down(99, 0, 1), shown(t, tr, w)); diff != "" {
			t.Errorf("letters shown in parts of %+v (-want +got):\n%s", w, diff)
		}
		_, older, err := tr.newestDead(patient(t), "calculator", 50, w)
		if want := max(50-w.letters, 50-w.bytes/10, 0); err != nil || older != want {
			t.Errorf("parts of %+v: the newest of fifty leave %d, want %d; error %v", w, older, want, err)
		}
	}
	var some []string
	err := tr.showDead(patient(t), "calculator", window{letters: 7, bytes: 1 << 20}, func(l transports.DeadLetter) bool {
		some = append(some, l.ID)
		return len(some) < 10
	})
	if diff := cmp.Diff(down(99, 90, 1), some); diff != "" || err != nil {
		t.Errorf("error %v; shown until told to stop (-want +got):\n%s", err, diff)
	}
}

// Looking leaves the order as it was, and so does taking some out.
func TestManyDeadLetters(t *testing.T) {
	t.Parallel()
	tr := opened(t, Options{URLs: []string{brokertest.Vhost(t)}, Catalogue: []string{"calculator"}})
	const n = 1500
	bury(t, tr, n, 10)
	for range 2 {
		if diff := cmp.Diff(down(n-1, 0, 1), shown(t, tr, wideWindow())); diff != "" {
			t.Fatalf("letters (-want +got):\n%s", diff)
		}
	}
	var odd []string
	for i := 1; i < n; i += 2 {
		odd = append(odd, strconv.Itoa(i))
	}
	for _, some := range [][]string{odd[:40], odd[40:200], odd[200:]} {
		if found, err := tr.DeleteDead(patient(t), "calculator", some...); found != len(some) || err != nil {
			t.Fatalf("deleted %d, want %d; error %v", found, len(some), err)
		}
	}
	if diff := cmp.Diff(down(n-2, 0, 2), shown(t, tr, wideWindow())); diff != "" {
		t.Errorf("letters that are left (-want +got):\n%s", diff)
	}
}

// A broker that was told many things just before a channel is closed forgets them unless
// it is made to act; it would show as letters that are back.
func TestDeletedLettersStayDeleted(t *testing.T) {
	t.Parallel()
	tr := opened(t, Options{URLs: []string{brokertest.Vhost(t)}, Catalogue: []string{"calculator"}})
	for range 5 {
		bury(t, tr, 70, 10)
		if n, err := tr.DeleteDead(patient(t), "calculator", down(69, 0, 1)...); n != 70 || err != nil {
			t.Fatalf("deleted %d, error %v", n, err)
		}
		if left := shown(t, tr, wideWindow()); len(left) > 0 {
			t.Fatalf("letters that are back: %q", left)
		}
	}
}

// A dead letter queue that somebody has declared before us, of another kind.
func TestClassicDeadLetterQueue(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	if _, err := raw(t, url).QueueDeclare("calculator.dead", true, false, false, false, amqp.Table{"x-queue-type": "classic"}); err != nil {
		t.Fatal(err)
	}
	tr := opened(t, Options{URLs: []string{url}, Catalogue: []string{"calculator"}})
	const n = 3000
	bury(t, tr, n, 10)
	if diff := cmp.Diff(down(n-1, 0, 1), shown(t, tr, wideWindow())); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
	if found, err := tr.DeleteDead(patient(t), "calculator", down(n-1, 1, 2)...); found != n/2 || err != nil {
		t.Errorf("deleted %d, want %d; error %v", found, n/2, err)
	}
	if diff := cmp.Diff(down(n-2, 0, 2), shown(t, tr, wideWindow())); diff != "" {
		t.Errorf("letters that are left (-want +got):\n%s", diff)
	}
}

// Several may look and repair at once: each sees all of it, and nothing is done twice.
func TestDeadLettersForMany(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	tr := opened(t, Options{URLs: []string{url}, Catalogue: []string{"calculator"}})
	const n = 100
	bury(t, tr, n, 10)
	want := down(n-1, 0, 1)
	var wg sync.WaitGroup
	for range 4 {
		viewer := opened(t, Options{URLs: []string{url}})
		for range 2 {
			wg.Go(func() {
				var ids []string
				err := viewer.DeadLetters(patient(t), "calculator", func(l transports.DeadLetter) bool {
					ids = append(ids, l.ID)
					return true
				})
				if diff := cmp.Diff(want, ids); diff != "" || err != nil {
					t.Errorf("error %v; letters that one of eight sees (-want +got):\n%s", err, diff)
				}
			})
		}
	}
	wg.Wait()
	found := make(chan int, 8)
	for range 8 {
		wg.Go(func() {
			k, err := tr.DeleteDead(patient(t), "calculator", want...)
			if err != nil {
				t.Error(err)
			}
			found <- k
		})
	}
	wg.Wait()
	close(found)
	sum := 0
	for k := range found {
		sum += k
	}
	if sum != n {
		t.Errorf("eight who delete have deleted %d letters, want %d", sum, n)
	}
}

// Whoever looks waits for those who look already, but not for the dead.
func TestDeadLettersInTurn(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	tr := opened(t, Options{URLs: []string{url}, Catalogue: []string{"calculator"}})
	bury(t, tr, 20, 10)

	holder, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	ch, err := holder.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := takeTurn(ch, tr.names.dead("calculator")+".turn"); err != nil {
		t.Fatal(err)
	}
	deliveries, err := ch.Consume(tr.names.dead("calculator"), "holder", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		<-deliveries
	}

	ctx, cancel := context.WithCancelCause(patient(t))
	waits := make(chan error, 1)
	go func() {
		_, err := tr.DeleteDead(ctx, "calculator", "1")
		waits <- err
	}()
	result := make(chan []string, 1)
	go func() { result <- shown(t, tr, wideWindow()) }()
	cancel(nil)
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("whoever stops waiting for a turn gets %v", err)
	}
	if err := holder.Close(); err != nil { // as if it had died: nothing is given back in good order
		t.Fatal(err)
	}
	if diff := cmp.Diff(down(19, 0, 1), <-result); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
	if queue, ok := findQueue(brokertest.Queues(t, url), "calculator.dead.turn"); ok && queue.Ready+queue.Unacked > 0 {
		t.Errorf("the queue of turns holds something: %+v", queue)
	}
}

func findQueue(all []brokertest.QueueInfo, name string) (brokertest.QueueInfo, bool) {
	for _, q := range all {
		if q.Name == name {
			return q, true
		}
	}
	return brokertest.QueueInfo{}, false
}

// A letter whose service has no room stays where it is.
func TestRetryDeadOfAFullQueue(t *testing.T) {
	t.Parallel()
	tr := opened(t, Options{URLs: []string{brokertest.Vhost(t)}, Catalogue: []string{"calculator"}, MaxQueue: 1})
	bury(t, tr, 2, 10)
	for i := 0; ; i++ {
		err := tr.Send(patient(t), "calculator", transports.Message{Body: []byte("{}")})
		if errors.Is(err, transports.ErrBusy) {
			break
		}
		if err != nil || i > 1000 {
			t.Fatalf("message %d of a queue for one: %v", i, err)
		}
	}
	if n, err := tr.RetryDead(patient(t), "calculator", "0", "1"); n != 0 || !errors.Is(err, transports.ErrBusy) || errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("retried %d, error %v; want none and ErrBusy alone", n, err)
	}
	if diff := cmp.Diff(down(1, 0, 1), shown(t, tr, wideWindow())); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
}

// A dead letter of a method that has its own queue runs where such methods run.
func TestRetryDeadOfABoundMethod(t *testing.T) {
	t.Parallel()
	tr := opened(t, Options{URLs: []string{brokertest.Vhost(t)}, Catalogue: []string{"calculator"}})
	bury(t, tr, 0, 0)
	m := transports.Message{ID: "slow", Key: "slow", Method: "factor", Body: []byte("{}"), Expires: at(0), Failures: 3}
	letter := encodeDead("calculator", inbound{message: m, deaths: 2}, "hopeless", time.Now())
	if err := tr.publish(patient(t), "", tr.names.dead("calculator"), letter); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(patient(t))
	got := make(chan transports.Message, 1)
	served := make(chan error, 1)
	go func() {
		served <- tr.Serve(ctx, transports.Service{Name: "calculator", Bindings: []string{"factor"}, Handler: func(_ context.Context, m transports.Message) transports.Outcome {
			got <- m
			return transports.Outcome{}
		}})
	}()
	for { // until the worker has declared the method's queue
		queues, err := tr.queues(ctx, []string{tr.names.method("calculator", "factor")})
		if err != nil {
			t.Fatal(err)
		}
		if len(queues) == 1 && queues[tr.names.method("calculator", "factor")].Consumers == 1 {
			break
		}
	}
	if n, err := tr.RetryDead(ctx, "calculator", "slow"); n != 1 || err != nil {
		t.Fatalf("retried %d, error %v", n, err)
	}
	r := <-got
	if r.ID != "slow" || !r.Unread || !r.Redelivered || r.Failures != 0 || !r.Expires.IsZero() {
		t.Errorf("it runs as %+v", r)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// What others, or the broker, have put among the dead letters can be repaired like the
// rest, also without an id.
func TestDeadLettersOfOthers(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	tr := opened(t, Options{URLs: []string{url}, Catalogue: []string{"calculator"}})
	bury(t, tr, 1, 10)
	ch := raw(t, url)
	for i := range 3 {
		p := amqp.Publishing{Body: fmt.Appendf(nil, "by hand %d", i/2)}
		if err := ch.PublishWithContext(patient(t), "", tr.names.dead("calculator"), true, false, p); err != nil {
			t.Fatal(err)
		}
	}
	for len(shown(t, tr, wideWindow())) < 4 { // they were not confirmed
		t.Log("not there yet")
	}
	var ids []string
	err := tr.DeadLetters(patient(t), "calculator", func(l transports.DeadLetter) bool {
		if l.Reason != "hopeless" {
			ids = append(ids, l.ID)
		}
		return true
	})
	if err != nil || len(ids) != 3 {
		t.Fatalf("letters without an id are called %q, error %v", ids, err)
	}
	if n, err := tr.DeleteDead(patient(t), "calculator", ids...); n != 3 || err != nil {
		t.Errorf("deleted %d of %q, error %v", n, ids, err)
	}
	if diff := cmp.Diff([]string{"0"}, shown(t, tr, wideWindow())); diff != "" {
		t.Errorf("letters that are left (-want +got):\n%s", diff)
	}
}
