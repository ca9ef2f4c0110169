package redislist

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// A broker that takes nothing for a while costs time, and neither a reply nor what
// follows.
func TestRefusedSettlementKeepsWhatItCarries(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(client *redis.Client, tr *Transport) (allow func()){
		"a replica is missing": func(client *redis.Client, _ *Transport) func() {
			client.ConfigSet(context.Background(), "min-replicas-to-write", "1")
			return func() { client.ConfigSet(context.Background(), "min-replicas-to-write", "0") }
		},
		"a foreign key": func(client *redis.Client, tr *Transport) func() {
			client.Set(context.Background(), tr.keys.delayed(calculator), "somebody's", 0)
			return func() { client.Del(context.Background(), tr.keys.delayed(calculator)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := brokertest.Redis(t)
			client := redisAt(t, server.URL)
			quickly := quick()
			quickly.beat = time.Hour // or the worker would end for the foreign key
			quickly.lease = 2 * time.Hour
			tr, err := open(Options{URL: server.URL, Catalogue: []string{calculator}}, quickly)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tr.Close() })
			followed := make(chan struct{}, 8)
			serve(t, tr, func(_ context.Context, m transports.Message) transports.Outcome {
				if string(m.Body) == "follower" {
					followed <- struct{}{}
					return transports.Outcome{}
				}
				time.AfterFunc(2*time.Second, refuse(client, tr)) // for more attempts than mostRefusals
				return transports.Outcome{Reply: []byte("reply"), Follow: []transports.Message{
					{Body: []byte("follower")}, {Body: []byte("follower"), NotBefore: time.Now().Add(time.Hour)},
				}}
			})
			if reply, err := call(t, tr, "first"); err != nil || reply != "reply" {
				t.Errorf("the call returned %q, %v", reply, err)
			}
			select {
			case <-followed:
			case <-time.After(patience):
				t.Error("what was to follow is lost")
			}
			if n := client.ZCard(t.Context(), tr.keys.delayed(calculator)).Val(); n != 1 {
				t.Errorf("%d delayed messages follow, want 1", n)
			}
		})
	}
}

// What one service cannot settle holds up no other one.
func TestRefusedSettlementIsAlone(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace, Catalogue: []string{"other"}})
	client.Set(t.Context(), tr.keys.dead("other"), "somebody's", 0)
	serve(t, tr, echo)
	ctx, cancel := context.WithCancel(context.Background())
	done, buried := make(chan struct{}), make(chan struct{}, 8)
	go func() {
		defer close(done)
		_ = tr.Serve(ctx, transports.Service{Name: "other", Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
			if string(m.Body) == "bury" {
				buried <- struct{}{}
				return transports.Outcome{Verdict: transports.Bury, Err: errors.New("no luck")}
			}
			return echo(ctx, m)
		}})
	}()
	t.Cleanup(func() { cancel(); _ = tr.Close(); <-done })
	if err := tr.Send(t.Context(), "other", transports.Message{Body: []byte("bury")}); err != nil {
		t.Fatal(err)
	}
	<-buried
	for i := range 2000 { // at two a second, if they waited with it
		if reply, err := call(t, tr, fmt.Sprint(i)); err != nil || reply != fmt.Sprint(i) {
			t.Fatalf("call %d returned %q, %v", i, reply, err)
		}
	}
	// In the same service, too, only those need the key that go there.
	reply, err := tr.Call(t.Context(), "other", transports.Message{Body: []byte("x"), Expires: time.Now().Add(patience)})
	if err != nil || string(reply) != "x" {
		t.Errorf("the other service answered %q, %v", reply, err)
	}
	client.Del(t.Context(), tr.keys.dead("other"))
	eventually(t, "the dead letter", func() bool { return client.LLen(t.Context(), tr.keys.dead("other")).Val() == 1 })
}

// A worker whose beats are refused must not hang without a word.
func TestRefusedBeats(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	done := make(chan error, 1)
	go func() { done <- tr.Serve(t.Context(), transports.Service{Name: calculator, Handler: echo}) }()
	if _, err := call(t, tr, "x"); err != nil {
		t.Fatal(err)
	}
	client.Set(t.Context(), tr.keys.retry(calculator), "somebody's", 0)
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "JOURNEYMAN_NAMESPACE") {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(patience):
		t.Error("Serve hangs")
	}
}

// Members of a batch that are given up become dead letters with its settlement.
func TestDeadLettersFollow(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	serve(t, tr, func(ctx context.Context, m transports.Message) transports.Outcome {
		o := echo(ctx, m)
		o.Dead = []transports.DeadLetter{{Reason: "no luck", Message: transports.Message{
			Key: "k#1", Method: "charge", Body: []byte("member"), Failures: 1,
			History: []transports.Attempt{{At: time.Now(), Worker: "w", Error: strings.Repeat("x", 1<<20)}},
		}}}
		return o
	})
	if _, err := call(t, tr, "batch"); err != nil {
		t.Fatal(err)
	}
	raw := client.LIndex(t.Context(), tr.keys.dead(calculator), 0).Val()
	f := decode(raw)
	if string(f.Body) != "member" || f.err != "no luck" || f.Key != "k#1" || f.Failures != 1 || len(f.History) != 1 || f.buried.IsZero() || f.nonce == "" {
		t.Errorf("the dead letter is %.300q", raw)
	}
	if len(raw) > 4096 {
		t.Errorf("its error takes %d bytes", len(raw))
	}
}

// What a stranger writes into a header has the broker keep nothing for ever.
func TestReplyLifeIsBounded(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	serve(t, tr, echo)
	key := tr.keys.replies("00000000-0000-0000-0000-000000000001")
	client.LPush(t.Context(), tr.keys.queue(calculator), "Id: 1\nReply-To: "+key+"\nExpires: 9000000000000\n\n{}")
	eventually(t, "the reply", func() bool { return client.LLen(t.Context(), key).Val() == 1 })
	if life := client.PTTL(t.Context(), key).Val(); life > mostReplyLife {
		t.Errorf("the list lives for %v", life)
	}
}

// Go and the scripts must agree on what a message has gone through, or it would go
// round between them for ever.
func TestDeathsAreReadAlike(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	handled := make(chan string, 64)
	serveSlots(t, tr, func(_ context.Context, m transports.Message) transports.Outcome {
		handled <- string(m.Body)
		return transports.Outcome{}
	}, 1)
	for i, head := range []string{
		"Deaths: 1\n", "Deaths: 3\nId: x\n", "Deaths: 001\n", "Deaths: 0\n", "deaths: 1\n", "Deaths:1\n", "Deaths: 1\r\n", "Deaths: 1000\n", "Deaths: -1\n",
		"Deaths: \n", "Deaths: 1x\n", "Id: y\nDeaths: 2\n", "Deaths: 1\nDeaths: 3\n", "Deaths: ٣\n",
	} {
		body := fmt.Sprintf(`{"n":%d}`, i)
		raw := head + "\n" + body
		lua, err := client.Eval(t.Context(), withSuspects("return (deaths_of(ARGV[1]))"), nil, raw).Int()
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(raw).deaths; got != lua || deathsOf(raw) != lua {
			t.Errorf("%q: %d deaths in Go, %d in the scripts", raw, got, lua)
		}
		client.LPush(t.Context(), tr.keys.queue(calculator), raw)
		select {
		case got := <-handled:
			if !strings.HasSuffix(got, body) {
				t.Errorf("%q was handled as %q", raw, got)
			}
		case <-time.After(patience):
			t.Fatalf("%q is never handled", raw)
		}
	}
}
