package redislist

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

func serveOnce(t *testing.T, tr *Transport, slots int, once func(transports.Message) bool, h transports.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tr.Serve(ctx, transports.Service{Name: calculator, Slots: slots, Handler: h, Dedupe: once})
	}()
	t.Cleanup(func() { cancel(); _ = tr.Close(); <-done })
}

func always(transports.Message) bool { return true }

// Only who was declared dead has lost a claim, and only the living make one.
func TestClaims(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	k := newKeys(namespace)
	record := k.kept(calculator, "charge", "7")
	claim := func(who, word string) string {
		t.Helper()
		got, err := client.Eval(t.Context(), claimScript.source, []string{record, k.workers(calculator)}, who, word, 60_000).StringSlice()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(got)
	}
	now := time.Now().UnixMilli()
	client.ZAdd(t.Context(), k.workers(calculator), z("a", now+8000), z("b", now+8000))
	for i, step := range []struct {
		do        func()
		who, word string
		want      string
	}{
		{nil, "a", "Pa 1", "[mine]"},
		{nil, "a", "Pa 1", "[mine]"}, // its answer was lost
		{nil, "a", "Pa 2", "[runs]"},
		{nil, "b", "Pb 1", "[runs]"},
		// The broker stood still: all leases are over, and nobody is dead.
		{func() { client.ZAdd(t.Context(), k.workers(calculator), z("a", now-1), z("b", now-1)) }, "b", "Pb 1", "[runs]"},
		{nil, "stranger", "Pstranger 1", "[runs]"},
		{func() { client.ZRem(t.Context(), k.workers(calculator), "a") }, "stranger", "Pstranger 1", "[runs]"},
		{nil, "b", "Pb 1", "[mine]"},
		{func() { client.Set(t.Context(), record, "Dreply", time.Minute) }, "b", "Pb 2", "[kept Dreply]"},
	} {
		if step.do != nil {
			step.do()
		}
		if got := claim(step.who, step.word); got != step.want {
			t.Errorf("step %d: %s for %s, want %s", i, got, step.word, step.want)
		}
	}
	if k.kept(calculator, "a:b", "c") == k.kept(calculator, "a", "b:c") {
		t.Error("two methods share a record")
	}
}

// A claim whose answer comes when the caller has gone must not stand in the way of
// the caller's next attempt.
func TestClaimEndsWithItsMessage(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	tr := process(t, Options{URL: server.URL})
	var pause sync.Once
	serveOnce(t, tr, 1, func(transports.Message) bool {
		pause.Do(func() { client.Do(context.Background(), "CLIENT", "PAUSE", "1000", "ALL") })
		return true
	}, echo)
	first, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := tr.Call(first, calculator, transports.Message{Key: "7", Body: []byte("x")}); first.Err() == nil {
		t.Fatalf("the first call returned %v before its deadline", err)
	}
	second, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if reply, err := tr.Call(second, calculator, transports.Message{Key: "7", Body: []byte("y")}); err != nil || string(reply) != "y" {
		t.Errorf("the next call with the key returned %q, %v", reply, err)
	}
}

// Those that wait for a message with their key do not keep all others from running,
// and they are answered in the end.
func TestTwinsMakeRoom(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	tr := process(t, Options{URL: url, Namespace: namespace})
	finish := make(chan struct{})
	var runs atomic.Int32
	serveOnce(t, tr, 4, func(m transports.Message) bool { return m.Key == "slow" }, func(ctx context.Context, m transports.Message) transports.Outcome {
		if m.Key != "slow" {
			return echo(ctx, m)
		}
		runs.Add(1)
		<-finish
		return transports.Outcome{Reply: []byte("once"), Keep: time.Minute}
	})
	replies := make(chan string, 8)
	for range cap(replies) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			reply, err := tr.Call(ctx, calculator, transports.Message{Key: "slow"})
			replies <- fmt.Sprint(string(reply), err)
		}()
	}
	for range 20 {
		if reply, err := call(t, tr, "x"); err != nil || reply != "x" {
			t.Fatalf("another call returned %q, %v", reply, err)
		}
	}
	close(finish)
	for range cap(replies) {
		if got := <-replies; got != "once<nil>" {
			t.Errorf("a twin got %s", got)
		}
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// A worker that is to stop does not wait for a twin that runs elsewhere.
func TestTwinsDoNotHoldUpAStop(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	o := Options{URL: url, Namespace: namespace}
	first, second, caller := process(t, o), openQuick(t, o), process(t, o)
	finish, begun := make(chan struct{}), make(chan struct{}, 2)
	slow := func(context.Context, transports.Message) transports.Outcome {
		begun <- struct{}{}
		<-finish
		return transports.Outcome{Reply: []byte("once"), Keep: time.Minute}
	}
	serveOnce(t, first, 1, always, slow)
	replies := make(chan string, 2)
	ask := func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		reply, err := caller.Call(ctx, calculator, transports.Message{Key: "slow"})
		replies <- fmt.Sprint(string(reply), err)
	}
	go ask()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	asked := make(chan struct{}, 1)
	go func() {
		done <- second.Serve(ctx, transports.Service{Name: calculator, Handler: slow, Dedupe: func(transports.Message) bool {
			select {
			case asked <- struct{}{}:
			default:
			}
			return true
		}})
	}()
	t.Cleanup(func() { cancel(); _ = second.Close() })
	go ask()
	<-asked
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the second worker waits for the first one's message")
	}
	close(finish)
	for range 2 {
		if got := <-replies; got != "once<nil>" {
			t.Errorf("a caller got %s", got)
		}
	}
}

// What a notification has done has no reply that a call could be given.
func TestKeyOfANotification(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	serveOnce(t, tr, 1, always, func(context.Context, transports.Message) transports.Outcome {
		return transports.Outcome{Keep: time.Minute}
	})
	if err := tr.Send(t.Context(), calculator, transports.Message{Key: "7"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it to be done", func() bool { return client.Get(t.Context(), tr.keys.kept(calculator, "", "7")).Val() == "N" })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := tr.Call(ctx, calculator, transports.Message{Key: "7"}); err == nil || ctx.Err() != nil {
		t.Errorf("Call: %v, want an error at once", err)
	}
}
