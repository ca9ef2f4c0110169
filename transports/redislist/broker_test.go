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

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

const calculator = "calculator"

// patience bounds waits that only a fault makes long.
const patience = 30 * time.Second

func echo(_ context.Context, m transports.Message) transports.Outcome {
	return transports.Outcome{Reply: append([]byte{}, m.Body...)}
}

// process is one process of an application: a transport, closed with the test.
func process(tb testing.TB, o Options) *Transport {
	tb.Helper()
	o.Catalogue = append(o.Catalogue, calculator)
	tr := openQuick(tb, o)
	tb.Cleanup(func() { _ = tr.Close() })
	return tr
}

// serve runs Serve until the test ends or the function it returns is called,
// which returns what Serve returned.
func serve(tb testing.TB, tr *Transport, h transports.Handler) (stop func() error) {
	tb.Helper()
	return serveSlots(tb, tr, h, 0)
}

func serveSlots(tb testing.TB, tr *Transport, h transports.Handler, slots int) (stop func() error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- tr.Serve(ctx, transports.Service{Name: calculator, Handler: h, Slots: slots})
	}()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	tb.Cleanup(func() { _ = tr.Close(); _ = stop() })
	return stop
}

func call(tb testing.TB, tr *Transport, body string) (string, error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	reply, err := tr.Call(ctx, calculator, transports.Message{Body: []byte(body)})
	return string(reply), err
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			tb.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

func redisAt(tb testing.TB, url string) *redis.Client {
	tb.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	client := redis.NewClient(o)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Small Heroku plans allow 20 connections to all processes together.
func TestConnections(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	connections := func(instance string) (n int) {
		list, err := client.ClientList(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(list, "name=journeyman:"+instance+":")
	}
	worker := process(t, Options{URL: server.URL, Instance: "worker"})
	both := process(t, Options{URL: server.URL, Instance: "both"})
	caller := process(t, Options{URL: server.URL, Instance: "caller"})
	serve(t, worker, echo)
	serve(t, both, echo)
	var calls sync.WaitGroup
	for i := range 64 {
		calls.Go(func() {
			for range 20 {
				for _, tr := range []*Transport{both, caller} {
					if _, err := call(t, tr, fmt.Sprint(i)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	calls.Wait()
	for instance, want := range map[string]int{
		"worker": Connections(true, false),
		"caller": Connections(false, true),
		"both":   Connections(true, true),
	} {
		if got := connections(instance); got != want {
			t.Errorf("%s holds %d connections, want %d", instance, got, want)
		}
	}
	if Connections(true, false) != 2 || Connections(false, true) != 2 || Connections(true, true) != 3 {
		t.Error("the documented numbers have changed")
	}
}

func TestArticleCaller(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	serve(t, tr, echo)
	id := namespace + "-request"
	request := `{"id":"` + id + `","jsonrpc":"2.0","method":"add","params":[1,5.1]}`
	if err := client.LPush(t.Context(), namespace+":calculator", request).Err(); err != nil {
		t.Fatal(err)
	}
	reply, err := client.BRPop(t.Context(), patience, id).Result()
	if err != nil || reply[1] != request {
		t.Fatalf("reply %q, error %v", reply, err)
	}
}

// Whatever the id of a bare request says, it harms no key that is not a reply list.
func TestBareRequestHarmsNothing(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	tr := process(t, Options{URL: server.URL})
	ran := make(chan string, 16)
	serve(t, tr, func(ctx context.Context, m transports.Message) transports.Outcome {
		ran <- string(m.Body)
		return echo(ctx, m)
	})
	ctx := t.Context()
	client.HSet(ctx, "somebodys-hash", "a", "1")
	client.RPush(ctx, "somebodys-list", "a")
	client.Set(ctx, "somebodys-string", "a", 0)
	for _, id := range []string{calculator, "somebodys-hash", "somebodys-list", "somebodys-string", "{calculator}:workers", "short"} {
		if err := client.LPush(ctx, calculator, `{"jsonrpc":"2.0","id":"`+id+`","method":"echo"}`).Err(); err != nil {
			t.Fatal(err)
		}
		<-ran
	}
	if reply, err := call(t, tr, "after"); err != nil || reply != "after" {
		t.Fatalf("the next call returned %q, %v", reply, err)
	}
	eventually(t, "six replies to be refused", func() bool { return tr.Counts().Unanswered == 6 })
	if v := client.HGetAll(ctx, "somebodys-hash").Val(); len(v) != 1 || v["a"] != "1" {
		t.Errorf("the hash is now %v", v)
	}
	if v := client.LRange(ctx, "somebodys-list", 0, -1).Val(); len(v) != 1 {
		t.Errorf("the list is now %v", v)
	}
	if v := client.Get(ctx, "somebodys-string").Val(); v != "a" {
		t.Errorf("the string is now %q", v)
	}
	if n := client.LLen(ctx, calculator).Val(); n != 0 {
		t.Errorf("%d messages in the queue: the reply to id %q went there", n, calculator)
	}
	if kind := client.Type(ctx, "{calculator}:workers").Val(); kind != "zset" {
		t.Errorf("the registry of workers is now a %s", kind)
	}
}

func TestArticleWorker(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // what the article's worker does, with a reply that is as bare as its request
		for ctx.Err() == nil {
			popped, err := client.BRPop(ctx, time.Second, namespace+":legacy").Result()
			if err != nil {
				continue
			}
			id := bareReplyList([]byte(popped[1]))
			client.RPush(ctx, id, `{"id":"`+id+`","result":6.1,"jsonrpc":"2.0"}`)
			client.Expire(ctx, id, 30*time.Second)
		}
	}()
	tr := process(t, Options{URL: url, Namespace: namespace, ArticleServices: []string{"legacy"}})
	for range 3 {
		callCtx, stop := context.WithTimeout(t.Context(), patience)
		defer stop()
		reply, err := tr.Call(callCtx, "legacy", transports.Message{Body: []byte(`{"jsonrpc":"2.0","id":9007199254740993,"method":"add","params":[1,5.1]}`)})
		if err != nil || !strings.Contains(string(reply), `"id":9007199254740993`) || !strings.Contains(string(reply), `6.1`) {
			t.Fatalf("reply %s, error %v", reply, err)
		}
	}
	_, err := tr.Call(ctx, "legacy", transports.Message{Body: []byte(`[]`)})
	if !errors.Is(err, transports.ErrUnsupported) {
		t.Errorf("a batch for a worker of the article's form: %v, want ErrUnsupported", err)
	}
}

// A reply that nobody fetches goes away by itself.
func TestReplyListsExpire(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	serve(t, tr, echo)
	ctx := t.Context()
	gone := tr.keys.replies("01234567-89ab-cdef-0123-456789abcdef")
	client.LPush(ctx, namespace+":calculator", "Id: 1\nReply-To: "+gone+"\n\n{}", `{"id":"`+namespace+`-x"}`)
	for _, key := range []string{gone, namespace + "-x"} {
		eventually(t, "the reply in "+key, func() bool { return client.LLen(ctx, key).Val() == 1 })
		if ttl := client.PTTL(ctx, key).Val(); ttl <= 0 || ttl > 2*time.Minute {
			t.Errorf("%s expires in %v", key, ttl)
		}
	}
}

func TestWrongKeyOfQueue(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	redisAt(t, server.URL).HSet(t.Context(), calculator, "a", "1")
	tr := process(t, Options{URL: server.URL})
	err := tr.Serve(t.Context(), transports.Service{Name: calculator, Handler: echo})
	if err == nil || !strings.Contains(err.Error(), "JOURNEYMAN_NAMESPACE") {
		t.Errorf("Serve: %v, want an error that says what to set", err)
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t, brokertest.Password("right"))
	tr := process(t, Options{URL: strings.Replace(server.URL, "right", "wrongsecret", 1)})
	serveErr := tr.Serve(t.Context(), transports.Service{Name: calculator, Handler: echo})
	_, callErr := call(t, tr, "x")
	for what, err := range map[string]error{"Serve": serveErr, "Call": callErr, "Ping": tr.Ping(t.Context())} {
		if !errors.Is(err, transports.ErrUnavailable) || !strings.Contains(err.Error(), "WRONGPASS") {
			t.Errorf("%s: %v, want ErrUnavailable because of the credentials", what, err)
		}
		if err != nil && strings.Contains(err.Error(), "wrongsecret") {
			t.Errorf("%s shows the password: %v", what, err)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t, brokertest.TLS())
	refused := process(t, Options{URL: server.URL}).Serve(t.Context(), transports.Service{Name: calculator, Handler: echo})
	if refused == nil {
		t.Fatal("a certificate that nobody trusts was accepted")
	}
	_, setting, ok := strings.Cut(refused.Error(), "JOURNEYMAN_REDIS_TLS=")
	if !ok {
		t.Fatalf("the error names no setting: %v", refused)
	}
	pin, _, _ := strings.Cut(setting, " ")
	for _, mode := range []string{pin, "insecure"} {
		tr := process(t, Options{URL: server.URL, TLS: mode})
		serve(t, tr, echo)
		if reply, err := call(t, tr, "x"); err != nil || reply != "x" {
			t.Errorf("with %s: %q, %v", mode, reply, err)
		}
	}
	other := "pin:" + strings.Repeat("0", 64)
	err := process(t, Options{URL: server.URL, TLS: other}).Ping(t.Context())
	if err == nil || !strings.Contains(err.Error(), pin) {
		t.Errorf("with another pin: %v, want an error that names the right one", err)
	}
}

func TestNoBroker(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	server.Kill()
	tr := process(t, Options{URL: server.URL})
	if _, err := call(t, tr, "x"); !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("Call: %v, want ErrUnavailable", err)
	}
	if err := tr.Send(t.Context(), calculator, transports.Message{}); !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("Send: %v, want ErrUnavailable", err)
	}
	// A worker waits for its broker.
	stop := serve(t, tr, echo)
	server.Restart()
	if reply, err := call(t, tr, "x"); err != nil || reply != "x" {
		t.Errorf("after the broker came: %q, %v", reply, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A full Redis refuses requests; what is queued must drain nevertheless, and the
// workers must not look dead.
func TestFullBrokerDrains(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t, brokertest.Args("--maxmemory-policy", "noeviction"))
	client := redisAt(t, server.URL)
	ctx := t.Context()
	caller := process(t, Options{URL: server.URL})
	for range 10 {
		if err := caller.Send(ctx, calculator, transports.Message{Body: []byte("queued")}); err != nil {
			t.Fatal(err)
		}
	}
	client.ConfigSet(ctx, "maxmemory", "1")
	if err := caller.Send(ctx, calculator, transports.Message{Body: []byte("too much")}); !errors.Is(err, transports.ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("Send to a full broker: %v, want ErrUnavailable with its reason", err)
	}
	var ran atomic.Int32
	worker := process(t, Options{URL: server.URL})
	serveSlots(t, worker, func(context.Context, transports.Message) transports.Outcome {
		ran.Add(1)
		return transports.Outcome{}
	}, 1)
	eventually(t, "the queue to drain", func() bool { return ran.Load() == 10 })
	eventually(t, "all to be settled", func() bool {
		keys, _ := client.Keys(ctx, "{calculator}:w:*").Result()
		return len(keys) == 0
	})
	client.ConfigSet(ctx, "maxmemory", "0")
	if n := worker.Counts().Fenced; n != 0 {
		t.Errorf("fenced %d times by a full broker", n)
	}
}

func TestCheckServer(t *testing.T) {
	t.Parallel()
	for info, ok := range map[string]bool{
		"": true, "redis_version:6.2.0\r\n": true, "redis_version:7.0.15\r\nredis_mode:standalone\r\n": true,
		"redis_version:8.4.0\r\n": true, "redis_version:6.0.16\r\n": false, "redis_version:5.0.7\r\n": false,
		"redis_version:7.2.0\r\nredis_mode:cluster\r\n": false,
	} {
		if err := checkServer(info); (err == nil) != ok {
			t.Errorf("checkServer(%q) = %v", info, err)
		}
	}
}

func TestOpenRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{URL: "http://x"}, {URL: "redis://:p%zzass@x"}, {URL: "redis://x", Namespace: "a:b"}, {URL: "redis://x", Namespace: "{a}"},
		{URL: "rediss://x", TLS: "maybe"}, {URL: "rediss://x", TLS: "pin:12"}, {URL: "redis://x", Catalogue: []string{"web"}},
		{URL: "redis://u:secret@x/notanumber"},
	} {
		tr, err := Open(o)
		if err == nil {
			_ = tr.Close()
			t.Errorf("Open(%+v) succeeded", o)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "zzass") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	for _, url := range []string{"rediss://x?ssl_cert_reqs=none", "redis://x:1/2?family=0", "redis://u:p%40@x?db=3"} {
		tr, err := Open(Options{URL: url})
		if err != nil {
			t.Errorf("Open(%s): %v", url, err)
			continue
		}
		_ = tr.Close()
	}
}
