package runner

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// redisOpener opens transports of one namespace at a real Redis.
func redisOpener(t *testing.T) Opener {
	t.Helper()
	url, namespace := brokertest.Namespace(t)
	return func(target Target) (Link, error) {
		transport, err := redislist.Open(redislist.Options{
			URL: url, Namespace: namespace, Catalogue: target.Catalogue, Instance: target.Instance, Log: target.Log,
		})
		return Link{Transport: transport}, err
	}
}

// opened returns a transport of the test's own.
func opened(t *testing.T, open Opener) transports.Transport {
	t.Helper()
	link, err := open(Target{Catalogue: []string{"tester"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Transport.Close() })
	return link.Transport
}

// serving starts a worker of the service "tester" with the methods that add registers.
func serving(t *testing.T, open Opener, add func(*jsonrpc.Mux)) *process {
	t.Helper()
	s := &site{opener: open, programs: []Program{RPC("tester", "answers to tests", func(Resources) (*jsonrpc.Mux, error) {
		mux := &jsonrpc.Mux{Grace: time.Millisecond}
		add(mux)
		return mux, nil
	})}}
	p := s.spawn(t, "serve", "tester")
	p.out.match(t, "msg=ready")
	return p
}

func says(word string) jsonrpc.Method {
	return jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { return word, nil })
}

// While a worker that knows a method is up, no caller hears that it does not exist.
func TestRollingDeploy(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_CONCURRENCY": "2"})
	open := redisOpener(t)
	transport := opened(t, open)
	c := client.New(transport, "tester", client.Timeout(patience))
	serving(t, open, func(mux *jsonrpc.Mux) { mux.Handle("old", says("old")) })
	serving(t, open, func(mux *jsonrpc.Mux) { mux.Handle("old", says("old")); mux.Handle("new", says("new")) })
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		n, err := transport.(transports.Locator).Serving(t.Context(), "tester", "new")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("waited for the new worker to be known: %d are (%v)", n, err)
		}
		if n > 0 {
			break
		}
	}
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if got, err := client.Result[string](t.Context(), c, "new", nil); err != nil || got != "new" {
				t.Errorf("during the deploy: %q and %v", got, err)
			}
		})
	}
	calls.Wait()
}

// A failed notification runs again until it succeeds, and nothing of its batch with it.
func TestRetries(t *testing.T) {
	isolate(t, nil)
	open := redisOpener(t)
	var ill, well atomic.Int32
	keys := make(chan string, 8)
	worker := serving(t, open, func(mux *jsonrpc.Mux) {
		mux.Handle("well", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { return well.Add(1), nil }))
		mux.Handle("ill", jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) {
			keys <- jsonrpc.Key(ctx)
			if ill.Add(1) < 4 {
				return nil, errors.New("no luck")
			}
			return nil, nil
		}), jsonrpc.Retry(5, time.Millisecond, time.Millisecond))
		mux.Handle("never", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			return nil, jsonrpc.NoRetry(errors.New("hopeless"))
		}))
	})
	transport := opened(t, open)
	err := transport.Send(t.Context(), "tester", transports.Message{
		Key:  "order-1",
		Body: []byte(`[{"jsonrpc":"2.0","method":"well"},{"jsonrpc":"2.0","method":"ill"},{"jsonrpc":"2.0","method":"never"}]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		select {
		case key := <-keys:
			if key != "order-1#1" {
				t.Errorf("an attempt ran under the key %q, want order-1#1", key)
			}
		case <-time.After(patience):
			t.Fatalf("waited for 4 attempts; the worker said:\n%s", worker.out)
		}
	}
	if letter := awaitDead(t, transport); letter.Message.Method != "never" || letter.Reason != "hopeless" {
		t.Errorf("the dead letter is %+v, want the one that was not worth trying again", letter)
	}
	if n := well.Load(); n != 1 {
		t.Errorf("what succeeded ran %d times", n)
	}
}

// Calls with one key run once, and each caller gets the reply.
func TestOnce(t *testing.T) {
	isolate(t, nil)
	open := redisOpener(t)
	var runs atomic.Int32
	serving(t, open, func(mux *jsonrpc.Mux) {
		mux.Handle("pay", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			if runs.Add(1) == 1 {
				return nil, errors.New("no luck") // which is not kept
			}
			return runs.Load(), nil
		}), jsonrpc.Dedupe(time.Hour))
	})
	c := client.New(opened(t, open), "tester", client.Timeout(patience))
	if _, err := client.Result[int](t.Context(), c, "pay", nil, client.Key("order-1")); jsonrpc.CodeOf(err) != jsonrpc.CodeInternal {
		t.Errorf("the first call ended with %v, want the handler's error", err)
	}
	for range 3 {
		if got, err := client.Result[int](t.Context(), c, "pay", nil, client.Key("order-1")); err != nil || got != 2 {
			t.Errorf("a further call got %d and %v, want the second run's reply", got, err)
		}
	}
	if n := runs.Load(); n != 2 {
		t.Errorf("it ran %d times, want once in vain and once", n)
	}
}

// A job that does not return goes from process to process, each of which makes
// room for a fresh one, and ends among the dead letters rather than go on for ever.
func TestPoison(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_TIMEOUT": "20ms", "PS": "tester.1"})
	open := redisOpener(t)
	release := make(chan struct{})
	defer close(release)
	stick := func(mux *jsonrpc.Mux) {
		mux.Handle("stick", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			<-release
			return nil, nil
		}), jsonrpc.Timeout(time.Millisecond))
	}
	transport := opened(t, open)
	if err := transport.Send(t.Context(), "tester", transports.Message{Body: []byte(`{"jsonrpc":"2.0","method":"stick"}`)}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		worker := serving(t, open, stick)
		if code := worker.wait(t); code != exitJourney {
			t.Fatalf("a process ended with %d, want %d; it said:\n%s", code, exitJourney, worker.out)
		}
		worker.out.match(t, `1 handler does not return \(stick\)`)
	}
	serving(t, open, stick)
	letter := awaitDead(t, transport)
	if letter.Deaths != 4 || len(letter.Message.History) != 4 {
		t.Errorf("the dead letter is %+v, want one with 4 deaths in its history", letter)
	}
	for _, a := range letter.Message.History {
		if !a.Died || a.Worker != "tester.1" || !strings.Contains(a.Error, "does not return") {
			t.Errorf("its history has %+v, want a death at tester.1, and of what", a)
		}
	}
}

// awaitDead waits for the service's one dead letter.
func awaitDead(t *testing.T, transport transports.Transport) (letter transports.DeadLetter) {
	t.Helper()
	for deadline := time.Now().Add(patience); letter.ID == ""; time.Sleep(20 * time.Millisecond) {
		err := transport.(transports.DeadLetterQueue).DeadLetters(t.Context(), "tester", func(d transports.DeadLetter) bool {
			if letter.ID != "" {
				t.Errorf("there is a second dead letter: %+v", d)
			}
			letter = d
			return true
		})
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("waited for a dead letter: %v", err)
		}
	}
	return letter
}
