package redislist

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// start has a call wait in the queue, or where take is set, in a worker's hands.
func start(t *testing.T, tr *Transport, service, id string) (cancel context.CancelFunc, result <-chan error) {
	t.Helper()
	client := redisAt(t, tr.options.URL)
	queue := tr.keys.queue(service)
	before := client.LLen(t.Context(), queue).Val()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	out := make(chan error, 1)
	go func() {
		_, err := tr.Call(ctx, service, transports.Message{ID: id, Body: []byte(`{"jsonrpc":"2.0","method":"test","id":1}`)})
		out <- err
	}()
	eventually(t, "the request to be queued", func() bool { return client.LLen(t.Context(), queue).Val() > before })
	return cancel, out
}

func TestCancelledCallLeavesTheQueue(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace, ArticleServices: []string{"legacy"}})
	for i, service := range []string{calculator, "legacy"} {
		_, stays := start(t, tr, service, "stays")
		cancel, result := start(t, tr, service, "gone")
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("Call %s: %v, want Canceled", service, err)
		}
		eventually(t, "the request to be taken back", func() bool { return tr.Counts().TakenBack == int64(i+1) })
		if n := client.LLen(t.Context(), tr.keys.queue(service)).Val(); n != 1 {
			t.Errorf("%d requests in the queue of %s, want the one that stays", n, service)
		}
		if n := client.Exists(t.Context(), tr.keys.cancelled(service)).Val(); n != 0 {
			t.Errorf("a request of %s that was taken back is noted as cancelled", service)
		}
		select {
		case err := <-stays:
			t.Errorf("the other call returned %v", err)
		default:
		}
	}
}

// What a worker has taken is noted, under the call's deadline by the broker's clock.
func TestCancelledCallIsNotedForWorkers(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	ctx := t.Context()
	tr := process(t, Options{URL: url, Namespace: namespace})
	noted := tr.keys.cancelled(calculator)
	for i := range 2 {
		cancel, result := start(t, tr, calculator, fmt.Sprint(i))
		client.RPop(ctx, tr.keys.queue(calculator))
		cancel()
		<-result
		eventually(t, "the cancellation to be noted", func() bool {
			return client.ZScore(ctx, noted, fmt.Sprint(i)).Val() > 0
		})
		score := client.ZScore(ctx, noted, fmt.Sprint(i)).Val()
		if left := time.Until(time.UnixMilli(int64(score))); left > time.Hour+time.Minute || left < 50*time.Minute {
			t.Errorf("noted for %v, want the hour of the call's deadline", left)
		}
	}
	if ttl := client.PTTL(ctx, noted).Val(); ttl <= 0 || ttl > time.Hour+time.Minute {
		t.Errorf("the note ends in %v", ttl)
	}
	if n := tr.Counts().TakenBack; n != 0 {
		t.Errorf("%d requests taken back", n)
	}
}

// A request whose deadline has passed says so itself, and one that never left
// needs no cancelling.
func TestNothingToCancel(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	tr := process(t, Options{URL: server.URL})
	sent := make(chan error, 1)
	p := tr.push(calculator, frame{Message: transports.Message{ID: "late"}}, true, func(err error) { sent <- err })
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	late, stop := context.WithDeadline(t.Context(), time.Now())
	defer stop()
	tr.takeBack(late, p, "late", time.Now())
	if err := tr.Ping(t.Context()); err != nil { // by when a cancellation would have left
		t.Fatal(err)
	}
	if n := client.LLen(t.Context(), calculator).Val(); n != 1 {
		t.Errorf("%d requests in the queue, want the expired one", n)
	}
	server.Pause()
	hold := push1(t, tr)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := tr.Call(ctx, calculator, transports.Message{})
		result <- err
	}()
	eventually(t, "the call to wait", func() bool { return waitingPushes(tr) == 1 })
	cancel()
	<-result
	server.Resume()
	if err := <-hold; err != nil {
		t.Fatal(err)
	}
	if err := tr.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := client.LLen(t.Context(), calculator).Val(); n != 2 {
		t.Errorf("%d requests in the queue, want 2: the withdrawn one was sent", n)
	}
	if n := client.Exists(t.Context(), tr.keys.cancelled(calculator)).Val(); n != 0 {
		t.Error("something was noted as cancelled")
	}
}

// push1 sends a message that leaves at once, and returns when it has left: while
// the broker stands still, others wait behind it.
func push1(t *testing.T, tr *Transport) <-chan error {
	t.Helper()
	out := make(chan error, 1)
	p := tr.push(calculator, frame{}, false, func(err error) { out <- err })
	eventually(t, "the message to leave", func() bool { return p.state.Load() == pushLeaves })
	return out
}

func waitingPushes(tr *Transport) int {
	tr.commands.mu.Lock()
	defer tr.commands.mu.Unlock()
	return len(tr.commands.pushes)
}

// A dead letter has the id of the call that it once was, and is none any more.
func TestRetriedLetterOfACancelledCallRuns(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	ran := make(chan string, 4)
	serve(t, tr, func(_ context.Context, m transports.Message) transports.Outcome {
		ran <- m.ID
		return transports.Outcome{}
	})
	if err := tr.Send(t.Context(), calculator, transports.Message{ID: "first"}); err != nil {
		t.Fatal(err)
	}
	<-ran // it serves
	client.ZAdd(t.Context(), tr.keys.cancelled(calculator), z("m1", time.Now().Add(time.Hour).UnixMilli()))
	client.LPush(t.Context(), tr.keys.dead(calculator), "Deaths: 4\nId: m1\nReply-To: "+tr.replies.key+"\nBuried: 1\nError: x\n\n{}")
	time.Sleep(2 * quick().beat) // the worker hears of it
	if n, err := tr.RetryDead(t.Context(), calculator, "m1"); n != 1 || err != nil {
		t.Fatalf("RetryDead: %d, %v", n, err)
	}
	select {
	case id := <-ran:
		if id != "m1" {
			t.Errorf("%s ran", id)
		}
	case <-time.After(patience):
		t.Error("it was dropped")
	}
}
