package redislist

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// die ends a process as kill -9 does: nothing is settled or given back.
func (t *Transport) die() { t.cancel() }

func TestDeadWorkersRequestsRunElsewhere(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	o := Options{URL: url, Namespace: namespace}
	victim, heir, caller := process(t, o), process(t, o), process(t, o)
	started := make(chan struct{}, 8)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	serve(t, victim, func(context.Context, transports.Message) transports.Outcome {
		started <- struct{}{}
		<-never
		return transports.Outcome{}
	})
	var calls sync.WaitGroup
	for i := range 8 {
		calls.Go(func() {
			if reply, err := call(t, caller, fmt.Sprint(i)); err != nil || reply != fmt.Sprint(i) {
				t.Errorf("call %d: %q, %v", i, reply, err)
			}
		})
	}
	for range 8 {
		<-started
	}
	var redelivered atomic.Int32
	serve(t, heir, func(ctx context.Context, m transports.Message) transports.Outcome {
		if m.Redelivered {
			redelivered.Add(1)
		}
		return echo(ctx, m)
	})
	victim.die()
	calls.Wait()
	if n := redelivered.Load(); n != 8 {
		t.Errorf("%d of 8 requests said that they may have run", n)
	}
	if c := heir.Counts(); c.Reaped != 1 || c.GivenBack != 8 {
		t.Errorf("counts of the heir: %+v", c)
	}
	if n := caller.Counts().LateReplies; n != 0 {
		t.Errorf("%d second replies", n)
	}
}

// A broker that stands still for many leases makes nobody look dead, and what
// was running is executed once and answered.
func TestFrozenBrokerKillsNobody(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	const running = 64
	var executions atomic.Int32
	started, finish := make(chan struct{}, 2*running), make(chan struct{})
	handler := func(ctx context.Context, m transports.Message) transports.Outcome {
		executions.Add(1)
		started <- struct{}{}
		<-finish
		return echo(ctx, m)
	}
	o := Options{URL: server.URL}
	workers := []*Transport{process(t, o), process(t, o), process(t, o)}
	for _, w := range workers {
		serve(t, w, handler)
	}
	caller := process(t, o)
	var calls sync.WaitGroup
	for i := range running {
		calls.Go(func() {
			if reply, err := call(t, caller, fmt.Sprint(i)); err != nil || reply != fmt.Sprint(i) {
				t.Errorf("call %d: %q, %v", i, reply, err)
			}
		})
	}
	for range running {
		<-started
	}
	// Everybody's beats have come for a lease, so that everybody could judge.
	time.Sleep(2 * quick().lease)
	server.Pause()
	time.Sleep(4 * quick().lease)
	close(finish) // half a minute of results wait to be settled
	time.Sleep(quick().lease)
	server.Resume()
	calls.Wait()
	time.Sleep(2 * quick().lease) // whoever was to be declared dead has been by now
	if n := executions.Load(); n != running {
		t.Errorf("%d executions of %d requests", n, running)
	}
	for _, w := range workers {
		if c := w.Counts(); c.Reaped != 0 || c.Fenced != 0 || c.NotMine != 0 {
			t.Errorf("counts: %+v, want nobody dead", c)
		}
	}
}

// A worker that was silent for longer than its lease is told so: its results are
// dropped, its handlers cancelled, and it goes on under a new identity.
func TestSilentWorkerIsFenced(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	o := Options{URL: url, Namespace: namespace}
	slow := quick()
	slow.beat = 4 * slow.lease
	silent, err := open(Options{URL: url, Namespace: namespace, Catalogue: []string{calculator}}, slow)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	started, cancelled := make(chan struct{}, 1), make(chan struct{})
	var once sync.Once
	serve(t, silent, func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) != "held" {
			return echo(ctx, m)
		}
		started <- struct{}{}
		<-ctx.Done()
		once.Do(func() { close(cancelled) })
		return transports.Outcome{Reply: []byte("from the grave")}
	})
	caller := process(t, o)
	answer := make(chan string, 1)
	go func() {
		reply, err := call(t, caller, "held")
		answer <- fmt.Sprint(reply, err)
	}()
	<-started
	heir := process(t, o)
	stop := serve(t, heir, echo)
	if got := <-answer; got != "held<nil>" {
		t.Errorf("the call returned %s, want the heir's reply", got)
	}
	<-cancelled
	eventually(t, "the dead worker's result to be dropped", func() bool { return silent.Counts().NotMine == 1 })
	eventually(t, "the dead worker to be fenced", func() bool { return silent.Counts().Fenced == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// Alone now, it serves again.
	if reply, err := call(t, caller, "again"); err != nil || reply != "again" {
		t.Errorf("after the fence: %q, %v", reply, err)
	}
}

// A result that comes when the message has gone to another worker is no reply,
// even before its worker knows: the caller has one already.
func TestLateResultIsDropped(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	o := Options{URL: url, Namespace: namespace}
	deaf := quick()
	deaf.beat = time.Hour
	silent, err := open(Options{URL: url, Namespace: namespace, Catalogue: []string{calculator}}, deaf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	started, finish := make(chan struct{}, 1), make(chan struct{})
	serve(t, silent, func(ctx context.Context, m transports.Message) transports.Outcome {
		started <- struct{}{}
		<-finish
		return echo(ctx, m)
	})
	caller := process(t, o)
	first := make(chan error, 1)
	go func() {
		_, err := call(t, caller, "held")
		first <- err
	}()
	<-started
	serve(t, process(t, o), echo)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	close(finish)
	eventually(t, "the late result to be dropped", func() bool { return silent.Counts().NotMine == 1 })
	if reply, err := call(t, caller, "next"); err != nil || reply != "next" {
		t.Errorf("the next call returned %q, %v", reply, err)
	}
	if n := caller.Counts().LateReplies; n != 0 {
		t.Errorf("%d second replies", n)
	}
}

// What was moved into the backup list by a command whose answer was lost runs.
func TestLostMoveIsFound(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace, Instance: namespace})
	serveSlots(t, tr, echo, 1) // the fetcher holds every slot there is
	ctx := t.Context()
	k := tr.keys
	var id string
	eventually(t, "the worker to join", func() bool {
		ids := client.ZRange(ctx, k.workers(calculator), 0, -1).Val()
		if len(ids) == 1 {
			id = ids[0]
		}
		return len(ids) == 1
	})
	key := namespace + "-lost"
	if err := client.LPush(ctx, k.backup(calculator, id), `{"id":"`+key+`"}`).Err(); err != nil {
		t.Fatal(err)
	}
	// Nobody looks for lost messages before a connection was lost.
	eventually(t, "the connection on which it waits for requests", func() bool {
		for line := range strings.Lines(client.ClientList(ctx).Val()) {
			if strings.Contains(line, "name=journeyman:"+namespace+":queue-calculator") {
				number := strings.TrimPrefix(strings.Fields(line)[0], "id=")
				return client.ClientKillByFilter(ctx, "ID", number).Val() == 1
			}
		}
		return false
	})
	if _, err := client.BRPop(ctx, patience, key).Result(); err != nil {
		t.Fatal(err)
	}
	if n := tr.Counts().Found; n != 1 {
		t.Errorf("found %d times", n)
	}
}

// Scripts are gone after a failover or SCRIPT FLUSH; work goes on.
func TestScriptsFlushed(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	tr := process(t, Options{URL: server.URL})
	serve(t, tr, func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "flush" {
			redisAt(t, server.URL).ScriptFlush(ctx)
		}
		return echo(ctx, m)
	})
	for _, body := range []string{"a", "flush", "b", "flush", "c"} {
		if reply, err := call(t, tr, body); err != nil || reply != body {
			t.Errorf("%s: %q, %v", body, reply, err)
		}
	}
}

func z(member string, score int64) redis.Z { return redis.Z{Member: member, Score: float64(score)} }

// What a broker that has lost its data accepts afterwards is not lost with it,
// though the workers went on taking under names that it no longer knows.
func TestFlushedBroker(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	o := Options{URL: server.URL}
	workers := []*Transport{process(t, o), process(t, o)}
	var mu sync.Mutex
	ran := make(map[string]bool)
	for _, w := range workers {
		serve(t, w, func(ctx context.Context, m transports.Message) transports.Outcome {
			select {
			case <-time.After(2 * quick().beat): // the worker learns before that it is forgotten
			case <-ctx.Done():
				return transports.Outcome{}
			}
			mu.Lock()
			defer mu.Unlock()
			ran[string(m.Body)] = true
			return transports.Outcome{}
		})
	}
	caller := process(t, o)
	if err := caller.Send(t.Context(), calculator, transports.Message{Body: []byte("before")}); err != nil {
		t.Fatal(err)
	}
	redisAt(t, server.URL).FlushAll(t.Context())
	for i := range 10 {
		if err := caller.Send(t.Context(), calculator, transports.Message{Body: []byte(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all that was sent after the flush to run", func() bool {
		mu.Lock()
		defer mu.Unlock()
		delete(ran, "before")
		return len(ran) == 10
	})
	eventually(t, "the service to be announced again", func() bool {
		all, err := caller.Services(t.Context())
		return err == nil && len(all) == 1 && len(all[0].Workers) == len(workers)
	})
}

// Scripts that found the queue's key taken would otherwise take messages out of
// one list and put them nowhere.
func TestNothingIsLostToAWrongKey(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	tr := process(t, Options{URL: server.URL})
	const running = 5
	started, never := make(chan struct{}, running), make(chan struct{})
	t.Cleanup(func() { close(never) })
	done := make(chan error, 1)
	go func() {
		done <- tr.Serve(context.WithoutCancel(t.Context()), transports.Service{Name: calculator, Handler: func(ctx context.Context, _ transports.Message) transports.Outcome {
			started <- struct{}{}
			select {
			case <-never:
			case <-ctx.Done():
			}
			return transports.Outcome{}
		}})
	}()
	caller := process(t, Options{URL: server.URL})
	for i := range running {
		if err := caller.Send(t.Context(), calculator, transports.Message{Body: []byte(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
		<-started
	}
	client.Set(t.Context(), calculator, "somebody's", 0)
	if err := <-done; err == nil {
		t.Error("Serve ended without an error")
	}
	keys := client.Keys(t.Context(), "{calculator}:w:*").Val()
	held := int64(0)
	for _, key := range keys {
		held += client.LLen(t.Context(), key).Val()
	}
	if held != running {
		t.Errorf("%d of %d messages are left", held, running)
	}
}
