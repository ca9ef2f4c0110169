package redislist

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// silent returns the URL of a broker that accepts connections and answers nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, conn)
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); accepting.Wait() })
	return "redis://" + l.Addr().String()
}

// Whoever waits for a broker that accepts and does not answer is told so while
// the greeting still hangs, which here it does for an hour.
func TestSilentBroker(t *testing.T) {
	t.Parallel()
	pace := quick()
	pace.connect, pace.giveUp = time.Hour, 300*time.Millisecond
	tr, err := open(Options{URL: silent(t), Catalogue: []string{calculator}}, pace)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for what, do := range map[string]func() error{
		"Call":         func() error { _, err := tr.Call(ctx, calculator, transports.Message{}); return err },
		"Call unknown": func() error { _, err := tr.Call(ctx, "unknown", transports.Message{}); return err },
		"Send":         func() error { return tr.Send(ctx, calculator, transports.Message{}) },
		"delayed Send": func() error {
			return tr.Send(ctx, calculator, transports.Message{NotBefore: time.Now().Add(time.Hour)})
		},
		"unique Send": func() error { return tr.Send(ctx, calculator, transports.Message{Unique: "a"}) },
		"Ping":        func() error { return tr.Ping(ctx) },
	} {
		if err := do(); !errors.Is(err, transports.ErrUnavailable) || errors.Is(err, transports.ErrUnknownOutcome) {
			t.Errorf("%s: %v, want ErrUnavailable", what, err)
		}
	}
	// What has not left is held back.
	p := tr.push(calculator, frame{}, false, func(error) {})
	if !p.withdraw() {
		t.Error("a message that cannot have left is taken for sent")
	}
}

// What was sent when the connection broke may have arrived; what was not, not.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	later := time.Now().Add(time.Hour)
	for name, m := range map[string]transports.Message{
		"plain": {}, "delayed": {NotBefore: later}, "unique": {Unique: "a"}, "both": {Unique: "b", NotBefore: later},
	} {
		tr := process(t, Options{URL: server.URL})
		if err := tr.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Pause()
		sent := make(chan error, 1)
		f := frame{Message: m}
		p := tr.push(calculator, f, false, func(err error) { sent <- err })
		eventually(t, "the message to leave", func() bool { return p.state.Load() == pushLeaves })

		ctx, cancel := context.WithCancel(t.Context())
		held := make(chan error, 1)
		go func() { held <- tr.Send(ctx, calculator, m) }()
		eventually(t, "the second message to wait", func() bool { return waitingPushes(tr) == 1 })
		cancel()
		if err := <-held; !errors.Is(err, context.Canceled) || errors.Is(err, transports.ErrUnknownOutcome) {
			t.Errorf("%s: a Send that was held back: %v, want Canceled alone", name, err)
		}
		server.Kill()
		if err := <-sent; !errors.Is(err, transports.ErrUnknownOutcome) {
			t.Errorf("%s: a Send cut off: %v, want ErrUnknownOutcome", name, err)
		}
		if err := tr.Send(t.Context(), calculator, m); !errors.Is(err, transports.ErrUnavailable) || errors.Is(err, transports.ErrUnknownOutcome) {
			t.Errorf("%s: a Send without a broker: %v, want ErrUnavailable", name, err)
		}
		server.Restart()
	}
}

// Of a broker that has died, whoever sends next is told for sure that nothing was handed
// over, however busy the connection was a moment ago.
func TestSendAfterDeath(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	for range 3 {
		tr := process(t, Options{URL: server.URL})
		if err := tr.Send(t.Context(), calculator, transports.Message{}); err != nil {
			t.Fatal(err)
		}
		server.Kill()
		if err := tr.Send(t.Context(), calculator, transports.Message{}); !errors.Is(err, transports.ErrUnavailable) || errors.Is(err, transports.ErrUnknownOutcome) {
			t.Errorf("a Send after the broker's death: %v, want ErrUnavailable", err)
		}
		server.Restart()
	}
}

// A broker that has lost the scripts did nothing: what it refused is sent again.
func TestLostScripts(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	ctx := t.Context()
	tr := process(t, Options{URL: server.URL, MaxQueue: 100})
	for i, m := range []transports.Message{{}, {Unique: "a", ID: "a"}, {}} {
		if err := client.ScriptFlush(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		if err := tr.Send(ctx, calculator, m); err != nil {
			t.Errorf("Send %d after the scripts were lost: %v", i, err)
		}
		if n := client.LLen(ctx, calculator).Val(); n != int64(i+1) {
			t.Errorf("%d messages in the queue after %d", n, i+1)
		}
	}
	client.ScriptFlush(ctx)
	if err := tr.releaseUnique(ctx, calculator, transports.Message{ID: "a", Unique: "a"}); err != nil {
		t.Errorf("release after the scripts were lost: %v", err)
	}
	cancel, result := start(t, tr, calculator, "gone")
	client.ScriptFlush(ctx)
	cancel()
	<-result
	eventually(t, "the cancelled request to be taken back", func() bool { return tr.Counts().TakenBack == 1 })
	client.ScriptFlush(ctx)
	serve(t, tr, echo)
	if reply, err := call(t, tr, "x"); err != nil || reply != "x" {
		t.Errorf("Call after the scripts were lost: %q, %v", reply, err)
	}
}

// A request that did not reach the broker is not sent again once its caller has gone.
func TestForsakenPushDoesNotComeBack(t *testing.T) {
	t.Parallel()
	var waits, forsaken push
	for _, p := range []*push{&waits, &forsaken} {
		if !p.leave() {
			t.Fatal("a new push does not leave")
		}
	}
	if forsaken.withdraw() {
		t.Error("what may be on its way was held back")
	}
	if !waits.comeBack() || forsaken.comeBack() {
		t.Error("want the one for which somebody waits to come back, and no other")
	}
	if !waits.withdraw() {
		t.Error("what has come back cannot be held back")
	}
}

func TestBuriedCallIsTold(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	_, result := start(t, tr, calculator, "deadly")
	client.LPush(t.Context(), tr.replies.key, encodeNoReply("deadly", givenUp+"4 workers died of it"))
	if err := <-result; !errors.Is(err, transports.ErrBuried) || !strings.Contains(err.Error(), "4 workers died of it") {
		t.Errorf("Call: %v, want ErrBuried and why", err)
	}
}

func TestEvictionIsWarnedOf(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	for _, tt := range []struct{ limit, policy, want string }{
		{"100mb", "allkeys-lru", "evict queues"},
		{"100mb", "allkeys-random", "evict queues"},
		{"100mb", "volatile-ttl", "evict replies"},
		{"100mb", "noeviction", ""},
		{"0", "allkeys-lru", ""},
	} {
		client.ConfigSet(t.Context(), "maxmemory", tt.limit)
		client.ConfigSet(t.Context(), "maxmemory-policy", tt.policy)
		log := &lines{}
		tr := process(t, Options{URL: server.URL, Log: slog.New(slog.NewTextHandler(log, nil))})
		for range 3 {
			if err := tr.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			tr.commands.line.reset() // it greets again
		}
		if got := log.with("noeviction"); len(got) != min(len(tt.want), 1) || len(got) == 1 && !strings.Contains(got[0], tt.want) {
			t.Errorf("%s with %s: logged %q, want %q", tt.policy, tt.limit, got, tt.want)
		}
	}
	if got := evictionWarning("", ""); got != "" {
		t.Errorf("a broker that hides its memory: %q", got)
	}
}

// lines is a log that keeps what was written.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(p))
	return len(p), nil
}

func (l *lines) with(word string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.text {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}
