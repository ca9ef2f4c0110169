package redislist

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// A queue takes as many as it may hold, the first ones, and the callers of the
// others are told at once: no worker is there to make room.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	const limit, sends = 7, 100
	tr := process(t, Options{URL: url, Namespace: namespace, MaxQueue: limit, ArticleServices: []string{"legacy"}})
	for _, service := range []string{calculator, "legacy"} {
		var taken, busy atomic.Int32
		var all sync.WaitGroup
		for i := range sends {
			all.Go(func() {
				body := []byte(`{"jsonrpc":"2.0","method":"test","id":` + fmt.Sprint(i) + `}`)
				err := tr.Send(t.Context(), service, transports.Message{Body: body})
				switch {
				case err == nil:
					taken.Add(1)
				case errors.Is(err, transports.ErrBusy):
					busy.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if taken.Load() != limit || busy.Load() != sends-limit {
			t.Errorf("%s: %d of %d taken, %d busy, want %d taken", service, taken.Load(), sends, busy.Load(), limit)
		}
		if n := client.LLen(t.Context(), tr.keys.queue(service)).Val(); n != limit {
			t.Errorf("%d messages in the queue of %s, want %d", n, service, limit)
		}
		ctx, stop := context.WithTimeout(t.Context(), patience)
		defer stop()
		_, err := tr.Call(ctx, service, transports.Message{Body: []byte(`{"jsonrpc":"2.0","method":"test","id":1}`)})
		if !errors.Is(err, transports.ErrBusy) {
			t.Errorf("Call %s: %v, want ErrBusy", service, err)
		}
		for _, word := range []string{service, fmt.Sprint(limit), "JOURNEYMAN_MAX_QUEUE"} {
			if err != nil && !strings.Contains(err.Error(), word) {
				t.Errorf("the error does not name %s: %v", word, err)
			}
		}
	}
	// What is due later does not wait in the queue.
	if err := tr.Send(t.Context(), calculator, transports.Message{NotBefore: time.Now().Add(time.Hour)}); err != nil {
		t.Errorf("Send of a delayed message: %v", err)
	}
	serve(t, tr, echo)
	eventually(t, "room", func() bool {
		err := tr.Send(t.Context(), calculator, transports.Message{})
		if err != nil && !errors.Is(err, transports.ErrBusy) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// The first of those that leave together are taken: they have waited longest.
func TestFullQueueTakesTheFirst(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	tr := process(t, Options{URL: server.URL, MaxQueue: 3})
	if err := tr.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	errs := make([]chan error, 5)
	for i := range errs {
		errs[i] = make(chan error, 1)
		f := frame{Message: transports.Message{ID: fmt.Sprint(i)}}
		tr.push(calculator, f, false, func(err error) { errs[i] <- err })
	}
	server.Resume()
	for i, err := range errs {
		if err := <-err; errors.Is(err, transports.ErrBusy) != (i >= 3) || i < 3 && err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	for i := range 3 {
		if f := decode(client.RPop(t.Context(), calculator).Val()); f.ID != fmt.Sprint(i) {
			t.Errorf("message %d in the queue is %q", i, f.ID)
		}
	}
}

// A process that has seen ample room looks again before long: others fill queues too.
func TestQueueFilledByOthers(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	const limit = ampleRoom + 10
	tr := process(t, Options{URL: url, Namespace: namespace, MaxQueue: limit})
	send := func() error { return tr.Send(t.Context(), calculator, transports.Message{}) }
	for range 2 { // so that the second knows of the room
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	others := make([]any, limit)
	for i := range others {
		others[i] = "{}"
	}
	client.LPush(t.Context(), tr.keys.queue(calculator), others...)
	if err := send(); err != nil { // without a look
		t.Fatal(err)
	}
	for range 3 {
		if err := send(); !errors.Is(err, transports.ErrBusy) {
			t.Errorf("Send to a full queue: %v, want ErrBusy", err)
		}
	}
	client.LTrim(t.Context(), tr.keys.queue(calculator), 0, 1)
	for range 3 {
		if err := send(); err != nil {
			t.Errorf("Send once there is room: %v", err)
		}
	}
}

func TestQueueIsSomethingElse(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	client.HSet(t.Context(), tr.keys.queue(calculator), "a", "1")
	_, callErr := call(t, tr, "x")
	for what, err := range map[string]error{
		"Call":           callErr,
		"Send":           tr.Send(t.Context(), calculator, transports.Message{}),
		"Send of unique": tr.Send(t.Context(), calculator, transports.Message{Unique: "a"}),
	} {
		if !errors.Is(err, transports.ErrUnavailable) || !strings.Contains(err.Error(), "JOURNEYMAN_NAMESPACE") {
			t.Errorf("%s: %v, want an error that says what to set", what, err)
		}
	}
	client.Set(t.Context(), tr.keys.delayed(calculator), "a", 0)
	client.Del(t.Context(), tr.keys.queue(calculator))
	later := transports.Message{Unique: "a", NotBefore: time.Now().Add(time.Hour)}
	if err := tr.Send(t.Context(), calculator, later); !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("delayed Send of unique: %v, want ErrUnavailable", err)
	}
	if n := client.Exists(t.Context(), tr.keys.unique(calculator, "a")).Val(); n != 0 {
		t.Error("a message that was refused has claimed its key")
	}
}

// A full Redis takes all of a message or nothing, and the caller is told what to do.
func TestFullBrokerRefusesClearly(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t, brokertest.Args("--maxmemory-policy", "noeviction"))
	client := redisAt(t, server.URL)
	tr := process(t, Options{URL: server.URL})
	if err := tr.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	client.ConfigSet(t.Context(), "maxmemory", "1")
	_, callErr := call(t, tr, "x")
	for what, err := range map[string]error{
		"Call":            callErr,
		"Send":            tr.Send(t.Context(), calculator, transports.Message{}),
		"Send of unique":  tr.Send(t.Context(), calculator, transports.Message{Unique: "a"}),
		"Send of delayed": tr.Send(t.Context(), calculator, transports.Message{NotBefore: time.Now().Add(time.Hour)}),
	} {
		if !errors.Is(err, transports.ErrUnavailable) || !strings.Contains(err.Error(), "out of memory") || !strings.Contains(err.Error(), "maxmemory") {
			t.Errorf("%s: %v, want ErrUnavailable that says what to do", what, err)
		}
	}
	left, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(left) != 1 || left[0] != tr.keys.services() {
		t.Errorf("keys: %q, %v; want the announcement alone", left, err)
	}
	client.ConfigSet(t.Context(), "maxmemory", "0")
	for range 2 { // by script, and without
		if err := tr.Send(t.Context(), calculator, transports.Message{}); err != nil {
			t.Fatal(err)
		}
	}
	client.ConfigSet(t.Context(), "maxmemory", "1")
	if err := tr.Send(t.Context(), calculator, transports.Message{}); err == nil || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("Send without a script: %v", err)
	}
	client.ConfigSet(t.Context(), "maxmemory", "0")
	if err := tr.Send(t.Context(), calculator, transports.Message{Unique: "a"}); err != nil {
		t.Errorf("Send once there is room: %v", err)
	}
}
