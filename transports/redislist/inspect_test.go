package redislist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// eachBroker runs a test on a real Redis and on the one that is built in.
func eachBroker(t *testing.T, test func(t *testing.T, o Options, client *redis.Client)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		url, namespace := brokertest.Namespace(t)
		test(t, Options{URL: url, Namespace: namespace}, redisAt(t, url))
	})
	t.Run("built in", func(t *testing.T) {
		t.Parallel()
		url := "redis://" + miniredis.RunT(t).Addr()
		test(t, Options{URL: url}, redisAt(t, url))
	})
}

// statusOf returns what tr knows of the calculator.
func statusOf(tb testing.TB, tr *Transport) transports.ServiceStatus {
	tb.Helper()
	all, err := tr.Services(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	for _, s := range all {
		if s.Name == calculator {
			return s
		}
	}
	tb.Fatalf("no %s among %+v", calculator, all)
	return transports.ServiceStatus{}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		tr := process(t, o)
		ctx, k := t.Context(), tr.keys
		now := client.Time(ctx).Val()
		sent := now.Add(-3 * time.Minute)
		later := float64(now.Add(time.Hour).UnixMilli())
		fill := func(key string, n int) {
			for i := range n {
				client.LPush(ctx, key, fmt.Sprintf("Id: %s%d\n\n{}", key, i))
			}
		}
		client.LPush(ctx, k.queue(calculator), fmt.Sprintf("History: 1 died x\r\nENQUEUED: %d\r\nId: a\r\n\r\n{}", sent.UnixMilli()))
		fill(k.queue(calculator), 2)
		fill(k.suspects(calculator), 2)
		fill(k.alone(calculator), 1)
		fill(k.dead(calculator), 4)
		client.ZAdd(ctx, k.delayed(calculator), redis.Z{Score: later, Member: "a"}, redis.Z{Score: later, Member: "b"})
		client.ZAdd(ctx, k.retry(calculator), redis.Z{Score: later, Member: "c"})
		// One that lives, one whose lease is over, one that has left; the last two
		// have left something behind.
		client.ZAdd(ctx, k.workers(calculator),
			redis.Z{Score: float64(now.Add(time.Minute).UnixMilli()), Member: "alive"},
			redis.Z{Score: float64(now.Add(-time.Minute).UnixMilli()), Member: "late"})
		client.ZAdd(ctx, k.former(calculator), redis.Z{Score: float64(now.UnixMilli()), Member: "left"})
		client.HSet(ctx, k.about(calculator), "alive", `{"id":"other","instance":"calculator.1","version":"v1","methods":["add"],"slots":7}`, "late", `{}`)
		fill(k.backup(calculator, "alive"), 3)
		fill(k.backup(calculator, "late"), 1)
		fill(k.backup(calculator, "left"), 2)
		client.Set(ctx, k.paused(calculator), "1", 0)

		number := func(n int64) *int64 { return &n }
		want := transports.ServiceStatus{
			Name: calculator, Dated: true, Paused: true, Waiting: number(3), Oldest: &sent, InFlight: number(6),
			Delayed: number(2), Retries: number(1), Suspects: number(3), Dead: number(4),
			Consumers: number(1),
			Workers:   []transports.WorkerStatus{{ID: "alive", Instance: "calculator.1", Version: "v1", Methods: []string{"add"}, Slots: 7}},
		}
		near := cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() < time.Minute })
		if d := cmp.Diff(want, statusOf(t, tr), near); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}

// How long a message has waited counts from when it could have been run.
func TestInspectDue(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		tr := process(t, o)
		ctx, k := t.Context(), tr.keys
		now := client.Time(ctx).Val()
		message := func(sent, due time.Time) string {
			f := frame{Message: transports.Message{ID: "a", Enqueued: sent, Body: []byte("{}")}, due: due}
			return f.encode()
		}
		want := func(since time.Time, what string) {
			t.Helper()
			if s := statusOf(t, tr); s.Oldest == nil || s.Oldest.Sub(since).Abs() > time.Minute {
				t.Errorf("%s: the oldest waits since %v, want %v", what, s.Oldest, since)
			}
		}
		hour, half := now.Add(-time.Hour), now.Add(-30*time.Minute)
		client.LPush(ctx, k.queue(calculator), message(hour, half))
		want(half, "one that was sent for later")
		client.ZAdd(ctx, k.delayed(calculator), redis.Z{Score: float64(now.Add(-time.Minute).UnixMilli()), Member: "b"})
		want(half, "beside one that was due after it")
		client.ZAdd(ctx, k.retry(calculator), redis.Z{Score: float64(hour.UnixMilli()), Member: "c"})
		want(hour, "beside one that nobody has put into the queue")
		client.Del(ctx, k.queue(calculator))
		want(hour, "of which the queue knows nothing")
	})
}

// So a message says when it is due, if that is not at once.
func TestDueTravels(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		tr := process(t, o)
		ctx, k := t.Context(), tr.keys
		due := func(key string) (score, says time.Time) {
			t.Helper()
			var all []redis.Z
			eventually(t, "a message in "+key, func() bool {
				all = client.ZRangeWithScores(ctx, key, 0, -1).Val()
				return len(all) == 1
			})
			return time.UnixMilli(int64(all[0].Score)), decode(all[0].Member.(string)).due
		}
		if err := tr.Send(ctx, calculator, transports.Message{NotBefore: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if score, says := due(k.delayed(calculator)); score.Sub(says).Abs() > time.Minute {
			t.Errorf("one for later says %v, and is due at %v", says, score)
		}
		serve(t, tr, func(context.Context, transports.Message) transports.Outcome {
			return transports.Outcome{Verdict: transports.Retry, After: 2 * time.Hour}
		})
		if err := tr.Send(ctx, calculator, transports.Message{}); err != nil {
			t.Fatal(err)
		}
		if score, says := due(k.retry(calculator)); score.Sub(says).Abs() > time.Minute {
			t.Errorf("one that failed says %v, and is due at %v", says, score)
		}
	})
}

// One key of somebody else's hides nothing but its own number.
func TestInspectForeignKeys(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		tr := process(t, o)
		ctx, k := t.Context(), tr.keys
		client.HSet(ctx, k.queue(calculator), "a", "1")
		client.Set(ctx, k.alone(calculator), "a", 0)
		client.LPush(ctx, k.dead(calculator), "a")
		s := statusOf(t, tr)
		if s.Waiting != nil || s.Oldest != nil || s.Suspects != nil || s.Delayed == nil || s.Dead == nil || *s.Dead != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Nor do keys of somebody else's where the workers should be: of the service there
// is less to tell, and nothing less of the others.
func TestInspectForeignWorkers(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		o.Catalogue = []string{"adder"}
		tr := process(t, o)
		ctx, k := t.Context(), tr.keys
		lease := float64(client.Time(ctx).Val().Add(time.Minute).UnixMilli())
		for _, service := range []string{calculator, "adder"} {
			client.LPush(ctx, k.queue(service), "a")
			client.ZAdd(ctx, k.workers(service), redis.Z{Score: lease, Member: "alive"})
			client.LPush(ctx, k.backup(service, "alive"), "a")
		}
		number := func(n int64) *int64 { return &n }
		status := func(name string, inFlight *int64, workers ...transports.WorkerStatus) transports.ServiceStatus {
			return transports.ServiceStatus{
				Name: name, Dated: true, Waiting: number(1), InFlight: inFlight,
				Delayed: number(0), Retries: number(0), Suspects: number(0), Dead: number(0),
				Consumers: number(int64(len(workers))), Workers: append([]transports.WorkerStatus{}, workers...),
			}
		}
		alive := transports.WorkerStatus{ID: "alive"}
		for _, step := range []struct {
			foreign string
			want    transports.ServiceStatus
		}{
			{"none", status(calculator, number(1), alive)},
			{k.about(calculator), status(calculator, number(1), alive)},
			{k.former(calculator), status(calculator, nil, alive)},
			{k.workers(calculator), status(calculator, nil)},
		} {
			if step.foreign != "none" {
				client.Set(ctx, step.foreign, "a", 0)
			}
			all, err := tr.Services(ctx)
			if err != nil {
				t.Errorf("foreign key %s: %v", step.foreign, err)
			}
			if d := cmp.Diff([]transports.ServiceStatus{status("adder", number(1), alive), step.want}, all); d != "" {
				t.Errorf("foreign key %s (-want +got):\n%s", step.foreign, d)
			}
		}
	})
}

// A service about which the broker does not want to talk hides no other.
func TestInspectForbiddenService(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	log := &lines{}
	tr := process(t, Options{URL: server.URL, Catalogue: []string{"secret"}, Log: slog.New(slog.NewTextHandler(log, nil))})
	ctx := t.Context()
	if err := tr.Ping(ctx); err != nil { // and so announces
		t.Fatal(err)
	}
	client.LPush(ctx, tr.keys.queue(calculator), "a")
	allow := func(patterns ...any) {
		t.Helper()
		if err := client.Do(ctx, append([]any{"ACL", "SETUSER", "default", "resetkeys"}, patterns...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	allow("~*calculator*", "~"+tr.keys.services())
	all, err := tr.Services(ctx)
	if err != nil || len(all) != 2 || all[0].Waiting == nil || *all[0].Waiting != 1 || all[1].Name != "secret" || all[1].Waiting != nil || all[1].Workers == nil {
		t.Errorf("Services: %+v, %v", all, err)
	}
	if got := log.with("cannot be inspected"); len(got) != 1 || !strings.Contains(got[0], "secret") || !strings.Contains(got[0], "NOPERM") {
		t.Errorf("logged %q, want which service and why", got)
	}
	// Where there is nothing to tell of any, somebody must say why.
	allow("~" + tr.keys.services())
	if all, err := tr.Services(ctx); err == nil || !strings.Contains(err.Error(), "NOPERM") || errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("Services: %+v, %v, want the broker's refusal", all, err)
	}
}

// To tell how long the next message has waited, its megabytes stay where they are.
func TestInspectLeavesBodies(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	tr := process(t, Options{URL: server.URL})
	ctx := t.Context()
	client.LPush(ctx, calculator, fmt.Sprintf("Enqueued: %d\n\n%s", time.Now().UnixMilli(), strings.Repeat(" ", 4<<20)))
	sent := func() int {
		m := regexp.MustCompile(`total_net_output_bytes:(\d+)`).FindStringSubmatch(client.Info(ctx, "stats").Val())
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := sent()
	if s := statusOf(t, tr); s.Oldest == nil {
		t.Errorf("nobody knows since when the next one waits: %+v", s)
	}
	if n := sent() - before; n > 1<<20 {
		t.Errorf("the broker sent %d bytes", n)
	}
}

func TestInspectClosed(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	tr := process(t, Options{URL: url, Namespace: namespace})
	_ = tr.Close()
	if _, err := tr.Services(t.Context()); !errors.Is(err, transports.ErrClosed) {
		t.Errorf("Services: %v, want ErrClosed", err)
	}
	if err := tr.Pause(t.Context(), calculator); !errors.Is(err, transports.ErrClosed) {
		t.Errorf("Pause: %v, want ErrClosed", err)
	}
	if err := tr.DeadLetters(t.Context(), calculator, nil); !errors.Is(err, transports.ErrClosed) {
		t.Errorf("DeadLetters: %v, want ErrClosed", err)
	}
}
