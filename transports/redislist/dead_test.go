package redislist

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// bury puts letters called ids into the dead-letter list, the first of them first.
func bury(tb testing.TB, client *redis.Client, tr *Transport, ids ...string) {
	tb.Helper()
	for i, id := range ids {
		letter := fmt.Sprintf("Id: %s\nMethod: add\nBuried: %d\n\n{}", id, 1789000000000+i)
		if err := client.LPush(tb.Context(), tr.keys.dead(calculator), letter).Err(); err != nil {
			tb.Fatal(err)
		}
	}
}

func deadIDs(tb testing.TB, tr *Transport) (ids []string) {
	tb.Helper()
	err := tr.DeadLetters(tb.Context(), calculator, func(l transports.DeadLetter) bool {
		ids = append(ids, l.ID)
		return true
	})
	if err != nil {
		tb.Fatal(err)
	}
	return ids
}

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("m%d", i)
	}
	return out
}

func reversed(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

func TestDeadLetter(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		tr := process(t, o)
		f := frame{
			Message: transports.Message{
				ID: "m1", Key: "m1", Method: "add", Body: []byte(`{"a":1}`), Header: map[string]string{"principal": "ada"},
				Expires: time.UnixMilli(1789000009000), Unique: "key", Enqueued: time.UnixMilli(1789000000000), Failures: 3,
				History: []transports.Attempt{
					{At: time.UnixMilli(1789000002000), Died: true, Worker: "calculator.1"},
					{At: time.UnixMilli(1789000001000), Worker: "calculator.2", Error: "no luck"},
				},
			},
			replyTo: tr.keys.replies("01234567-89ab-cdef-0123-456789abcdef"),
			deaths:  2, buried: time.UnixMilli(1789000003000), err: "given up",
		}
		ctx := t.Context()
		client.LPush(ctx, tr.keys.dead(calculator), f.encode())
		want := transports.DeadLetter{ID: "m1", Message: f.Message, Buried: f.buried, Reason: "given up", Deaths: 2}
		want.Message.Redelivered = true // as all whose worker died
		var got []transports.DeadLetter
		if err := tr.DeadLetters(ctx, calculator, func(l transports.DeadLetter) bool { got = append(got, l); return true }); err != nil {
			t.Fatal(err)
		}
		near := cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() < time.Minute }) // by the clock here
		if d := cmp.Diff([]transports.DeadLetter{want}, got, near); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}

		if n, err := tr.RetryDead(ctx, calculator, "m1"); n != 1 || err != nil {
			t.Fatalf("RetryDead: %d, %v", n, err)
		}
		raw, err := client.RPop(ctx, tr.keys.queue(calculator)).Result()
		if err != nil {
			t.Fatal(err)
		}
		again := frame{Message: transports.Message{
			ID: "m1", Key: "m1", Method: "add", Body: f.Body, Header: f.Header, History: f.History, Redelivered: true, Unread: true,
			Enqueued: client.Time(ctx).Val(),
		}}
		if d := cmp.Diff(again, decode(raw), cmp.AllowUnexported(frame{}), near); d != "" {
			t.Errorf("it went into the queue as (-want +got):\n%s\n%s", d, raw)
		}
		if ids := deadIDs(t, tr); len(ids) != 0 {
			t.Errorf("still dead: %q", ids)
		}
	})
}

func TestDeadLettersOrder(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		tr := process(t, o)
		ids := names(2*pageLetters + 3)
		bury(t, client, tr, ids...)
		if d := cmp.Diff(reversed(ids), deadIDs(t, tr)); d != "" {
			t.Errorf("newest first (-want +got):\n%s", d)
		}
		seen := 0
		if err := tr.DeadLetters(t.Context(), calculator, func(transports.DeadLetter) bool { seen++; return seen < 5 }); err != nil || seen != 5 {
			t.Errorf("%d letters were shown to who wanted 5, %v", seen, err)
		}

		// The oldest goes first, as it did the first time.
		if n, err := tr.RetryDead(t.Context(), calculator, ids...); n != len(ids) || err != nil {
			t.Fatalf("RetryDead: %d of %d, %v", n, len(ids), err)
		}
		var queued []string
		for _, raw := range client.LRange(t.Context(), tr.keys.queue(calculator), 0, -1).Val() {
			queued = append(queued, decode(raw).ID)
		}
		if d := cmp.Diff(reversed(ids), queued); d != "" {
			t.Errorf("queue (-want +got):\n%s", d)
		}
	})
}

func TestDeadLettersByID(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		tr := process(t, o)
		ctx := t.Context()
		bury(t, client, tr, "a", "b", "a", "c", "d")
		queued := func() int64 { return client.LLen(ctx, tr.keys.queue(calculator)).Val() }
		for _, step := range []struct {
			name string
			n    int
			err  error
			do   func() (int, error)
			left []string
		}{
			{"unknown ids are not counted", 1, nil, func() (int, error) { return tr.RetryDead(ctx, calculator, "x", "c", "c", "y") }, []string{"d", "a", "b", "a"}},
			{"one of two with the same id", 1, nil, func() (int, error) { return tr.DeleteDead(ctx, calculator, "a") }, []string{"d", "a", "b"}},
			{"no id", 0, nil, func() (int, error) { return tr.DeleteDead(ctx, calculator) }, []string{"d", "a", "b"}},
			{"the rest", 3, nil, func() (int, error) { return tr.DeleteDead(ctx, calculator, "a", "b", "d") }, nil},
			{"an empty list", 0, nil, func() (int, error) { return tr.RetryDead(ctx, calculator, "a") }, nil},
			{"an unknown service", 0, transports.ErrNoService, func() (int, error) { return tr.RetryDead(ctx, "nobody", "a") }, nil},
			{"an illegal name", 0, transports.ErrNoService, func() (int, error) { return tr.DeleteDead(ctx, "a:b", "a") }, nil},
		} {
			n, err := step.do()
			if n != step.n || !errors.Is(err, step.err) {
				t.Errorf("%s: %d, %v, want %d, %v", step.name, n, err, step.n, step.err)
			}
			if d := cmp.Diff(step.left, deadIDs(t, tr)); d != "" {
				t.Errorf("%s: what is left (-want +got):\n%s", step.name, d)
			}
		}
		if n := queued(); n != 1 {
			t.Errorf("%d messages in the queue, want the one that was retried", n)
		}
	})
}

// A letter without an id has one all the same, and keeps it; nobody is answered.
func TestDeadLettersWithoutID(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	ctx := t.Context()
	body := `{"jsonrpc":"2.0","id":"` + namespace + `-request","method":"add"}`
	client.LPush(ctx, tr.keys.dead(calculator), "Nonce: n1\nError: no\n\n"+body, body, "not even\nthis")
	ids := deadIDs(t, tr)
	if len(ids) != 3 || ids[2] != "n1" || ids[0] == ids[1] || len(ids[0]) != 16 || len(ids[1]) != 16 {
		t.Fatalf("ids %q", ids)
	}
	if n, err := tr.RetryDead(ctx, calculator, ids...); n != 3 || err != nil {
		t.Fatalf("RetryDead: %d, %v", n, err)
	}
	ran := make(chan transports.Message, 3)
	serve(t, tr, func(_ context.Context, m transports.Message) transports.Outcome {
		ran <- m
		return transports.Outcome{Reply: []byte("late")}
	})
	for range ids {
		if m := <-ran; !slices.Contains(ids, m.ID) || !m.Unread {
			t.Errorf("message %q runs, unread %v, want one of %q, unread", m.ID, m.Unread, ids)
		}
	}
	eventually(t, "all to be settled", func() bool { return *statusOf(t, tr).InFlight == 0 })
	if n := client.Exists(ctx, namespace+"-request").Val(); n != 0 {
		t.Error("somebody was answered whose call had ended long ago")
	}
}

// Two people at once: each letter runs again once, and each is counted once.
func TestRetryDeadTwice(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	o := Options{URL: url, Namespace: namespace}
	people := []*Transport{process(t, o), process(t, o)}
	ids := names(3 * pageLetters)
	bury(t, client, people[0], ids...)
	var found atomic.Int64
	var all sync.WaitGroup
	for _, tr := range people {
		all.Go(func() {
			n, err := tr.RetryDead(t.Context(), calculator, ids...)
			if err != nil {
				t.Error(err)
			}
			found.Add(int64(n))
		})
	}
	all.Wait()
	queued := client.LLen(t.Context(), people[0].keys.queue(calculator)).Val()
	if n := found.Load(); n != int64(len(ids)) || queued != n {
		t.Errorf("%d were found and %d are in the queue, want %d", n, queued, len(ids))
	}
	if left := deadIDs(t, people[0]); len(left) != 0 {
		t.Errorf("%d are left", len(left))
	}
}

// Letters that come or go while somebody reads: none is shown twice, and none that
// stays is missed.
func TestDeadLettersWhileOthersWork(t *testing.T) {
	t.Parallel()
	ids := names(3 * pageLetters)
	for name, gone := range map[string][]string{
		"the oldest go": ids[:20],
		"so many go that the reader's place is no more": ids[len(ids)-300:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, namespace := brokertest.Namespace(t)
			client := redisAt(t, url)
			tr := process(t, Options{URL: url, Namespace: namespace})
			bury(t, client, tr, ids...)
			shown := make(map[string]int)
			err := tr.DeadLetters(t.Context(), calculator, func(l transports.DeadLetter) bool {
				if shown[l.ID]++; len(shown) == 10 {
					bury(t, client, tr, "new1", "new2")
					if n, err := tr.DeleteDead(t.Context(), calculator, gone...); n != len(gone) || err != nil {
						t.Errorf("DeleteDead: %d, %v", n, err)
					}
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				if n := shown[id]; n > 1 || n < 1 && !slices.Contains(gone, id) {
					t.Errorf("%s was shown %d times", id, n)
				}
			}
		})
	}
}

// Large letters come a few at a time.
func TestDeadLettersLarge(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	ctx := t.Context()
	for i := range 20 {
		client.LPush(ctx, tr.keys.dead(calculator), fmt.Sprintf("Id: m%d\n\n%s", i, strings.Repeat(" ", pageBytes/4)))
	}
	page, _, err := tr.letters(ctx, calculator, newest, toOlder)
	if err != nil || len(page) != 4 {
		t.Errorf("%d letters on one page, %v, want 4", len(page), err)
	}
	if n, err := tr.RetryDead(ctx, calculator, names(20)...); n != 20 || err != nil {
		t.Errorf("RetryDead: %d, %v", n, err)
	}
	if n := client.LLen(ctx, tr.keys.queue(calculator)).Val(); n != 20 {
		t.Errorf("%d in the queue", n)
	}
}

// Where the queue's key is somebody's data the letters stay where they are.
func TestRetryDeadIntoForeignKey(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		tr := process(t, o)
		bury(t, client, tr, "a")
		client.Set(t.Context(), tr.keys.queue(calculator), "mine", 0)
		n, err := tr.RetryDead(t.Context(), calculator, "a")
		if n != 0 || err == nil || !strings.Contains(err.Error(), "WRONGTYPE") || errors.Is(err, transports.ErrUnavailable) {
			t.Errorf("RetryDead: %d, %v, want the broker's refusal", n, err)
		}
		if d := cmp.Diff([]string{"a"}, deadIDs(t, tr)); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}

// A full broker must not keep people from repairing it.
func TestDeadLettersOfFullBroker(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t, brokertest.Args("--maxmemory-policy", "noeviction"))
	client := redisAt(t, server.URL)
	tr := process(t, Options{URL: server.URL})
	if err := tr.Ping(t.Context()); err != nil { // and so announces
		t.Fatal(err)
	}
	bury(t, client, tr, "a", "b", "c")
	client.ConfigSet(t.Context(), "maxmemory", "1")
	if n, err := tr.RetryDead(t.Context(), calculator, "a"); n != 1 || err != nil {
		t.Errorf("RetryDead: %d, %v", n, err)
	}
	if n, err := tr.DeleteDead(t.Context(), calculator, "b"); n != 1 || err != nil {
		t.Errorf("DeleteDead: %d, %v", n, err)
	}
	if err := tr.Pause(t.Context(), calculator); err != nil {
		t.Errorf("Pause: %v", err)
	}
	if s := statusOf(t, tr); *s.Dead != 1 || *s.Waiting != 1 || !s.Paused {
		t.Errorf("%+v", s)
	}
}

// What a handler gives up runs again, as it was sent, once that is asked for.
func TestDeadLetterRunsAgain(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	tr := process(t, Options{URL: url, Namespace: namespace})
	ran := make(chan transports.Message, 2)
	serve(t, tr, func(_ context.Context, m transports.Message) transports.Outcome {
		ran <- m
		if len(ran) == 1 {
			return transports.Outcome{Verdict: transports.Bury, Err: errors.New("no luck")}
		}
		return transports.Outcome{}
	})
	sent := transports.Message{ID: "m1", Method: "add", Body: []byte("x")}
	if err := tr.Send(t.Context(), calculator, sent); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the letter", func() bool { return len(deadIDs(t, tr)) == 1 })
	if n, err := tr.RetryDead(t.Context(), calculator, "m1"); n != 1 || err != nil {
		t.Fatalf("RetryDead: %d, %v", n, err)
	}
	first, second := <-ran, <-ran
	if first.Unread || !second.Unread {
		t.Errorf("unread: %v, %v, want that of the second alone", first.Unread, second.Unread)
	}
	if second.ID != first.ID || string(second.Body) != "x" || second.Method != "add" || second.Failures != 0 {
		t.Errorf("it ran again as %+v", second)
	}
}
