package redislist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// A worker may not judge others before its own beats came for a whole lease.
func TestSweepNeedsSteadyBeats(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	ctx := t.Context()
	k := newKeys(namespace)
	now := time.Now().UnixMilli()
	const lease = 8000
	stamp := regexp.MustCompile(`\b\d{13}\b`)
	sweep := func() []int64 {
		t.Helper()
		keys := []string{k.workers(calculator), k.steady(calculator), k.former(calculator), k.about(calculator), k.queue(calculator), k.suspects(calculator), k.alone(calculator)}
		got, err := client.Eval(ctx, sweepScript.source, keys, "me", lease, k.backups(calculator), 1<<20, 3_600_000).Int64Slice()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	set := func(myEnd, mySince int64) {
		client.Del(ctx, k.workers(calculator), k.steady(calculator))
		client.ZAdd(ctx, k.workers(calculator), z("dead", now-1), z("me", myEnd))
		client.ZAdd(ctx, k.steady(calculator), z("me", mySince))
	}
	client.LPush(ctx, k.backup(calculator, "dead"), "{1}", "{2}", "{3}")
	client.HSet(ctx, k.about(calculator), "dead", `{"id":"dead","instance":"calculator.1","version":"1"}`)
	for name, judge := range map[string]struct{ end, since int64 }{
		"whose own lease is over":                {now - 1, now - 60_000},
		"whose last beat was half a lease ago":   {now + lease/2 - 1000, now - 60_000},
		"whose beats came for less than a lease": {now + lease, now - lease/2},
	} {
		set(judge.end, judge.since)
		if got := sweep(); got[0] != -1 {
			t.Errorf("a worker %s judged: %v", name, got)
		}
	}
	set(now+lease, now-2*lease)
	if got := sweep(); got[0] != 1 || got[1] != 3 {
		t.Fatalf("a steady worker swept %v, want one dead and three given back", got)
	}
	got := client.LRange(ctx, k.suspects(calculator), 0, -1).Val()
	for i, raw := range got {
		got[i] = stamp.ReplaceAllString(raw, "NOW")
	}
	first := "Deaths: 1\nHistory: NOW died calculator.1\n\n"
	want := []string{first + "{3}", first + "{2}", first + "{1}"} // served from the right: the oldest first
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("suspects (-want +got):\n%s", diff)
	}
	// A move that lands after the death is found, too. With each death a message
	// goes where it can do less harm.
	for i, test := range []struct{ before, after, list string }{
		{"Id: 4\n\n{}", "Deaths: 1\nHistory: NOW died dead\nId: 4\n\n{}", k.suspects(calculator)},
		{"Deaths: 1\nHistory: 7 died x\nId: 4\n\n{}", "Deaths: 2\nHistory: NOW died dead\nHistory: 7 died x\nId: 4\n\n{}", k.suspects(calculator)},
		{"Deaths: 2\nId: 4\n\n{}", "Deaths: 3\nHistory: NOW died dead\nId: 4\n\n{}", k.alone(calculator)},
		{"Deaths: 3\nId: 4\n\n{}", "Deaths: 4\nHistory: NOW died dead\nId: 4\n\n{}", k.suspects(calculator)},
	} {
		client.Del(ctx, k.suspects(calculator), k.alone(calculator))
		client.LPush(ctx, k.backup(calculator, "dead"), test.before)
		if got := sweep(); got[0] != 0 || got[1] != 1 {
			t.Errorf("sweep %d returned %v", i, got)
		}
		if raw := client.RPop(ctx, test.list).Val(); stamp.ReplaceAllString(raw, "NOW") != test.after {
			t.Errorf("%q came back as %q, want %q in %s", test.before, raw, test.after, test.list)
		}
	}
}

// A message of which workers die is given up after the fourth, and none of those
// that ran beside it.
func TestPoisonIsGivenUp(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	o := Options{URL: url, Namespace: namespace, Instance: "calculator.1"}
	caller := process(t, o)
	var deaths atomic.Int32
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	var start func()
	start = func() {
		tr := process(t, o)
		serveSlots(t, tr, func(ctx context.Context, m transports.Message) transports.Outcome {
			if string(m.Body) == "poison" {
				deaths.Add(1)
				tr.die()
				start()
				<-over
			}
			time.Sleep(time.Millisecond) // so that others run beside it
			return echo(ctx, m)
		}, 8)
	}
	start()

	poisoned := make(chan error, 1)
	go func() {
		_, err := call(t, caller, "poison")
		poisoned <- err
	}()
	stop := make(chan struct{})
	var bystanders sync.WaitGroup
	for i := range 16 {
		bystanders.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				body := fmt.Sprintf("%d.%d", i, n)
				if reply, err := call(t, caller, body); err != nil || reply != body {
					t.Errorf("a bystander's call returned %q, %v", reply, err)
					return
				}
			}
		})
	}
	if err := <-poisoned; !errors.Is(err, transports.ErrBuried) || !strings.Contains(err.Error(), "4 workers died") {
		t.Errorf("the caller got %v", err)
	}
	close(stop)
	bystanders.Wait()
	if n := deaths.Load(); n != 4 {
		t.Errorf("%d workers died", n)
	}
	dead := redisAt(t, url).LRange(t.Context(), caller.keys.dead(calculator), 0, -1).Val()
	if len(dead) != 1 {
		t.Fatalf("%d dead letters: %q", len(dead), dead)
	}
	f := decode(dead[0])
	if string(f.Body) != "poison" || f.deaths != 4 || len(f.History) != 4 || f.buried.IsZero() {
		t.Errorf("the dead letter is %+v", f)
	}
	for _, a := range f.History {
		if !a.Died || a.Worker != "calculator.1" || a.At.IsZero() {
			t.Errorf("its history has %+v", a)
		}
	}
}

// While a message runs alone, its process runs nothing else, and afterwards it
// goes on.
func TestAlone(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	o := Options{URL: url, Namespace: namespace}
	caller, tr := process(t, o), process(t, o)
	var running atomic.Int32
	ran := make(chan struct{}, 3)
	serveSlots(t, tr, func(ctx context.Context, m transports.Message) transports.Outcome {
		n := running.Add(1)
		defer running.Add(-1)
		if !strings.HasPrefix(string(m.Body), "alone") {
			time.Sleep(time.Millisecond)
			return echo(ctx, m)
		}
		for range 20 {
			if n > 1 {
				t.Errorf("%d run beside %s", n-1, m.Body)
				break
			}
			time.Sleep(time.Millisecond) // would another begin?
			n = running.Load()
		}
		ran <- struct{}{}
		return echo(ctx, m)
	}, 8)
	done := make(chan struct{})
	var calls sync.WaitGroup
	for range 16 {
		calls.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := call(t, caller, "x"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	client.LPush(t.Context(), caller.keys.alone(calculator), "Deaths: 2\nId: 1\n\nalone 1", "Deaths: 3\nId: 2\n\nalone 2")
	client.LPush(t.Context(), caller.keys.queue(calculator), "Deaths: 3\nId: 3\n\nalone 3") // where none should be
	for range 3 {
		select {
		case <-ran:
		case <-time.After(patience):
			t.Fatal("they do not run")
		}
	}
	if reply, err := call(t, caller, "next"); err != nil || reply != "next" {
		t.Errorf("the next call returned %q, %v", reply, err)
	}
	close(done)
	calls.Wait()
	eventually(t, "the turn to be given up", func() bool {
		return client.Exists(t.Context(), caller.keys.turn(calculator)).Val() == 0
	})
}

// One worker at a time empties itself; the others go on.
func TestOneWorkerAtATimeRunsAlone(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	o := Options{URL: url, Namespace: namespace}
	caller := process(t, o)
	alone, finish := make(chan struct{}, 2), make(chan struct{})
	for range 2 {
		serveSlots(t, process(t, o), func(ctx context.Context, m transports.Message) transports.Outcome {
			if string(m.Body) == "alone" {
				alone <- struct{}{}
				<-finish
			}
			return echo(ctx, m)
		}, 4)
	}
	k := caller.keys
	eventually(t, "both workers", func() bool { return client.ZCard(t.Context(), k.workers(calculator)).Val() == 2 })
	client.LPush(t.Context(), k.alone(calculator), "Deaths: 2\nId: 1\n\nalone", "Deaths: 2\nId: 2\n\nalone")
	<-alone
	for range 200 { // for longer than a few beats
		if reply, err := call(t, caller, "x"); err != nil || reply != "x" {
			t.Fatalf("the other worker answered %q, %v", reply, err)
		}
		time.Sleep(quick().beat / 50)
	}
	if len(alone) > 0 {
		t.Error("both workers have emptied themselves")
	}
	close(finish)
	select {
	case <-alone:
	case <-time.After(patience):
		t.Error("the second one never runs")
	}
}

// Few messages with a death run at once, however many slots there are.
func TestSuspectsAreFew(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	var running, most, ran atomic.Int32
	const all = 50
	for i := range all {
		client.LPush(t.Context(), tr.keys.suspects(calculator), fmt.Sprintf("Deaths: 1\nId: %d\n\nx", i))
	}
	serveSlots(t, tr, func(ctx context.Context, m transports.Message) transports.Outcome {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m; m = most.Load() {
			most.CompareAndSwap(m, n)
		}
		time.Sleep(2 * time.Millisecond)
		ran.Add(1)
		return echo(ctx, m)
	}, 16)
	eventually(t, "all to run", func() bool { return ran.Load() == all })
	if n := most.Load(); n > 2 {
		t.Errorf("%d suspects ran at once, want an eighth of 16 slots", n)
	}
}

// Who sent a bare request is told in its own language.
func TestBareRequestGivenUp(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	serve(t, tr, func(_ context.Context, m transports.Message) transports.Outcome {
		t.Errorf("%q ran", m.Body)
		return transports.Outcome{}
	})
	id := namespace + "-poison"
	client.LPush(t.Context(), tr.keys.suspects(calculator), `Deaths: 4`+"\n\n"+`{"jsonrpc":"2.0","id":"`+id+`","method":"boom"}`)
	got, err := client.BRPop(t.Context(), patience, id).Result()
	if err != nil {
		t.Fatal(err)
	}
	var reply struct {
		ID    string
		Error struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(got[1]), &reply); err != nil || reply.ID != id || reply.Error.Code != -32000 || !strings.Contains(reply.Error.Message, "4 workers died") {
		t.Errorf("the reply is %s (%v)", got[1], err)
	}
}

// Nobody waits for an expired request, but what killed three workers must be seen.
func TestExpiredSuspects(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	client.LPush(t.Context(), tr.keys.alone(calculator), "Deaths: 2\nId: two\nExpires: 1\n\n{}", "Deaths: 3\nId: three\nExpires: 1\n\n{}")
	serve(t, tr, func(_ context.Context, m transports.Message) transports.Outcome {
		t.Errorf("%s ran", m.ID)
		return transports.Outcome{}
	})
	eventually(t, "a dead letter", func() bool { return client.LLen(t.Context(), tr.keys.dead(calculator)).Val() > 0 })
	eventually(t, "the other to be dropped", func() bool { return tr.Counts().Expired == 1 })
	if f := decode(client.LIndex(t.Context(), tr.keys.dead(calculator), 0).Val()); f.ID != "three" || !strings.Contains(f.err, "expired") {
		t.Errorf("the dead letter is %+v", f)
	}
}

// A worker that can take nothing from a broker that answers must not look alive
// for ever.
func TestStalled(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	quickly := quick()
	quickly.stall = quickly.lease
	tr, err := open(Options{URL: server.URL, Catalogue: []string{calculator}}, quickly)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	done := make(chan error, 1)
	go func() { done <- tr.Serve(t.Context(), transports.Service{Name: calculator, Handler: echo}) }()
	ctx := t.Context()
	var waits string
	eventually(t, "the connection on which it waits for requests", func() bool {
		for line := range strings.Lines(client.ClientList(ctx).Val()) {
			if strings.Contains(line, ":queue-calculator") && strings.Contains(line, "cmd=blmove") {
				waits = strings.TrimPrefix(strings.Fields(line)[0], "id=")
			}
		}
		return waits != ""
	})
	// Its place is taken before it can connect again.
	if err := client.ConfigSet(ctx, "maxclients", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if n := client.ClientKillByFilter(ctx, "ID", waits).Val(); n != 1 {
		t.Fatalf("killed %d connections", n)
	}
	select {
	case err := <-done:
		if !errors.Is(err, transports.ErrStalled) {
			t.Errorf("Serve returned %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Serve goes on for ever")
	}
}
