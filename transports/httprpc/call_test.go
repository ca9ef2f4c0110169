package httprpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/stale"
	"github.com/journeyman-go/journeyman/transports"
)

func call(t *testing.T, tr transports.Caller, m transports.Message) (string, error) {
	t.Helper()
	reply, err := tr.Call(patient(t), "calculator", m)
	return string(reply), err
}

// Callers that come one after the other use one connection, 256 at once no more than 256.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	s := newSite()
	var mu sync.Mutex
	dialed := 0
	tr := s.start(t, Options{Catalogue: []string{"calculator"}}, func(inner *internals) {
		inner.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			dialed++
			mu.Unlock()
			return s.dial(ctx, network, address)
		}
	})
	serve(t, tr, transports.Service{Name: "calculator", Handler: echo})
	for range 50 {
		if got, err := call(t, tr, transports.Message{Body: []byte("x")}); got != "x" {
			t.Fatalf("Call returned %q and error %v", got, err)
		}
	}
	if dialed != 1 || tr.Counts().Reused != 49 {
		t.Errorf("50 calls in turn took %d connections, %d used again; want 1 and 49", dialed, tr.Counts().Reused)
	}

	const callers, each = 256, 8
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				if got, err := call(t, tr, transports.Message{Body: []byte("x")}); got != "x" {
					t.Errorf("Call returned %q and error %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	if dialed > callers {
		t.Errorf("%d calls of %d callers took %d connections", callers*each, callers, dialed)
	}
}

// A connection that breaks after a request was written tells nothing of its fate.
// Whoever wrote it again, as net/http does for those with an idempotency key, would run it twice.
func TestBrokenConnectionIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*testing.T, *Transport) error{
		"Call": func(t *testing.T, tr *Transport) error {
			_, err := call(t, tr, transports.Message{Key: "order:42", Body: []byte("second")})
			return err
		},
		"Call without a body": func(t *testing.T, tr *Transport) error {
			_, err := call(t, tr, transports.Message{Key: "order:42"})
			return err
		},
		"Send": func(t *testing.T, tr *Transport) error {
			return tr.Send(patient(t), "calculator", transports.Message{Key: "order:42", Body: []byte("second")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, func(n int, c *peerConn) {
				if c.next() {
					c.reply("first")
				}
				c.next() // and hangs up
			})
			tr := caller(t, "http://"+p.addr, nil)
			if got, err := call(t, tr, transports.Message{Body: []byte("first")}); got != "first" {
				t.Fatalf("Call returned %q and error %v", got, err)
			}
			err := do(t, tr)
			if !errors.Is(err, transports.ErrUnknownOutcome) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want ErrUnknownOutcome before the deadline", err)
			}
			if n := len(p.requests()); n != 2 {
				t.Errorf("%d requests were written, want 2:\n%s", n, strings.Join(p.requests(), "\n---\n"))
			}
		})
	}
}

// A connection that the server closed while it was idle is found dead before a request
// is written to it.
func TestDeadIdleConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	p := newPeer(t, func(n int, c *peerConn) {
		if c.next() {
			c.reply(fmt.Sprint("connection ", n))
		}
	})
	tr := caller(t, "http://"+p.addr, nil)
	for n := range 3 {
		if got, err := call(t, tr, transports.Message{}); got != fmt.Sprint("connection ", n) {
			t.Fatalf("Call %d returned %q and error %v", n, got, err)
		}
		poll(t, "the server's goodbye to arrive", func() bool {
			tr.pool.mu.Lock()
			defer tr.pool.mu.Unlock()
			for c := range tr.pool.all {
				if !stale.Conn(c.tcp) {
					return false
				}
			}
			return true
		})
	}
	if tr.Counts().Reused != 0 {
		t.Errorf("%d dead connections were used", tr.Counts().Reused)
	}
}

// What could not be written whole was not begun, so it is written again, once, where an
// old connection was to blame.
func TestUnsentRequestIsSentOnANewConnection(t *testing.T) {
	t.Parallel()
	first := make(chan struct{})
	p := newPeer(t, func(n int, c *peerConn) {
		if n == 0 {
			c.next()
			c.reply("small")
			<-first // reads nothing of the second request, then is gone
			return
		}
		if c.next() {
			c.reply("large")
		}
	})
	tr := caller(t, "http://"+p.addr, nil)
	if _, err := call(t, tr, transports.Message{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		got, err := call(t, tr, transports.Message{Body: make([]byte, 8<<20)})
		done <- fmt.Sprint(got, err)
	}()
	poll(t, "the connection to be in use", func() bool { return tr.Counts().Reused == 1 })
	close(first)
	if got := receive(t, done, "the call"); got != "large<nil>" {
		t.Errorf("Call returned %s", got)
	}
	if tr.Counts().Again != 1 {
		t.Errorf("%d requests were sent again, want 1", tr.Counts().Again)
	}
}

// A kept connection may lead to a process that is about to stop, a new one to another.
func TestStoppingProcessSendsCallersElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite()
	old, g := s.start(t, Options{Catalogue: []string{"calculator"}}, nil), newGate()
	running := serve(t, old, transports.Service{Name: "calculator", Handler: g.handle})
	tr := s.start(t, Options{Catalogue: []string{"calculator"}}, nil)
	t.Cleanup(func() { tr.Close() })

	// Two connections: one is kept, the other keeps the process from ending.
	results := make(chan string, 2)
	for range 2 {
		go func() {
			got, err := call(t, tr, transports.Message{Body: []byte("old")})
			results <- fmt.Sprint(got, err)
		}()
	}
	receive(t, g.entered, "a call to run")
	receive(t, g.entered, "another to run")
	g.release <- struct{}{}
	if got := receive(t, results, "one reply"); got != "old<nil>" {
		t.Fatalf("Call returned %s", got)
	}
	running.stop()
	poll(t, "the process to be stopping", func() bool { return ask(t, old, "GET", "/readyz", "", nil).status == 503 })

	young := s.start(t, Options{}, nil)
	serve(t, young, transports.Service{Name: "calculator", Handler: func(context.Context, transports.Message) transports.Outcome {
		return transports.Outcome{Reply: []byte("young")}
	}})
	if got, err := call(t, tr, transports.Message{}); got != "young" || err != nil {
		t.Errorf("Call returned %q and error %v, want the reply of the new process", got, err)
	}
	if n := tr.Counts().Again; n != 1 {
		t.Errorf("%d requests were sent again, want 1", n)
	}
	g.release <- struct{}{}
	if got := receive(t, results, "the other reply"); got != "old<nil>" {
		t.Errorf("the call that ran while the process stopped returned %s", got)
	}
	if err := running.wait(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	tr := caller(t, "http://"+l.Addr().String(), nil)
	_, err = call(t, tr, transports.Message{})
	for what, err := range map[string]error{"Call": err, "Send": tr.Send(patient(t), "calculator", transports.Message{}), "Ping": tr.Ping(patient(t))} {
		if !errors.Is(err, transports.ErrUnavailable) || !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want ErrUnavailable that says why, before the deadline", what, err)
		}
	}
}

// The time to connect is bounded, and running out of it is not the caller's deadline.
func TestConnectingIsBounded(t *testing.T) {
	t.Parallel()
	s := newSite()
	tr := s.start(t, Options{Catalogue: []string{"calculator"}}, func(inner *internals) {
		inner.connect = time.Millisecond
		inner.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	t.Cleanup(func() { tr.Close() })
	_, err := call(t, tr, transports.Message{})
	if !errors.Is(err, transports.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want ErrUnavailable alone", err)
	}
}

// What other servers, and routers, answer.
func TestAnswersOfOthers(t *testing.T) {
	t.Parallel()
	const html = "HTTP/1.1 %s\nContent-Type: text/html\nContent-Length: 6\n\n<html>"
	refused := func(status, word string) string {
		return "HTTP/1.1 " + status + "\n" + headerRefused + ": " + word + "\nContent-Type: text/plain\nContent-Length: 4\n\nwhy\n"
	}
	for name, c := range map[string]struct {
		answer string
		want   error
		says   string
	}{
		"redirect":        {"HTTP/1.1 301 Moved\nLocation: https://elsewhere.test/rpc/calculator\nContent-Length: 0\n\n", transports.ErrUnavailable, "elsewhere.test"},
		"page":            {fmt.Sprintf(html, "200 OK"), transports.ErrUnavailable, "is the address of calculator right?"},
		"foreign 404":     {fmt.Sprintf(html, "404 Not Found"), transports.ErrUnavailable, "is the address of calculator right?"},
		"forbidden":       {fmt.Sprintf(html, "403 Forbidden"), transports.ErrUnavailable, "403"},
		"bad gateway":     {fmt.Sprintf(html, "502 Bad Gateway"), transports.ErrUnknownOutcome, "502"},
		"router's 503":    {fmt.Sprintf(html, "503 Service Unavailable"), transports.ErrUnknownOutcome, "503"},
		"router's 504":    {fmt.Sprintf(html, "504 Gateway Timeout"), transports.ErrUnknownOutcome, "504"},
		"rate limit":      {fmt.Sprintf(html, "429 Too Many Requests"), transports.ErrBusy, "429"},
		"nginx's limit":   {fmt.Sprintf(html, "413 Content Too Large"), transports.ErrTooLarge, "413"},
		"no HTTP":         {"-ERR unknown command 'POST'\n", transports.ErrUnknownOutcome, "malformed HTTP"},
		"cut off":         {"HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 10\n\n12345", transports.ErrUnknownOutcome, "unexpected EOF"},
		"switch":          {"HTTP/1.1 101 Switching Protocols\nUpgrade: x\nConnection: Upgrade\n\n", transports.ErrUnknownOutcome, "101"},
		"ours: full":      {refused("503 Service Unavailable", "busy"), transports.ErrBusy, "why"},
		"ours: stopping":  {refused("503 Service Unavailable", "draining"), transports.ErrUnavailable, "why"},
		"ours: not mine":  {refused("503 Service Unavailable", "not-mine"), transports.ErrUnavailable, "why"},
		"ours: nobody":    {refused("404 Not Found", "no-service"), transports.ErrNoService, "why"},
		"ours: too large": {refused("413 Content Too Large", "too-large"), transports.ErrTooLarge, "why"},
		"ours: deadline":  {refused("504 Gateway Timeout", "deadline"), context.DeadlineExceeded, "why"},
		"ours: failed":    {refused("500 Internal Server Error", "failed"), transports.ErrUnknownOutcome, "why"},
		"ours: key":       {refused("401 Unauthorized", "key"), transports.ErrUnavailable, "why"},
		"ours: request":   {refused("400 Bad Request", "request"), nil, "why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, func(_ int, conn *peerConn) {
				if conn.next() {
					conn.say("%s", strings.ReplaceAll(c.answer, "\n", "\r\n"))
				}
			})
			_, err := call(t, caller(t, "http://"+p.addr, nil), transports.Message{Key: "k"})
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that is %v and says %q", err, c.want, c.says)
			}
			for _, kind := range []error{
				transports.ErrUnavailable, transports.ErrUnknownOutcome, transports.ErrBusy, transports.ErrTooLarge,
				transports.ErrNoService, context.DeadlineExceeded,
			} {
				if errors.Is(err, kind) && !errors.Is(c.want, kind) {
					t.Errorf("error %v is %v too", err, kind)
				}
			}
			if n := len(p.requests()); n != 1 {
				t.Errorf("%d requests were written, want 1", n)
			}
		})
	}
}

// Interim responses and chunks are part of HTTP/1.1.
func TestInterimAndChunkedReplies(t *testing.T) {
	t.Parallel()
	p := newPeer(t, func(n int, c *peerConn) {
		for c.next() {
			c.say("HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\nLink: x\n\n" +
				"HTTP/1.1 200 OK\nContent-Type: application/json; charset=utf-8\nTransfer-Encoding: chunked\n\n3\nabc\n2\nde\n0\n\n")
		}
	})
	tr := caller(t, "http://"+p.addr, nil)
	for range 2 {
		if got, err := call(t, tr, transports.Message{}); got != "abcde" || err != nil {
			t.Errorf("Call returned %q and error %v", got, err)
		}
	}
	if tr.Counts().Reused != 1 {
		t.Error("the connection was not used again")
	}
}

// A reply is not read beyond the limit.
func TestReplyOverTheLimit(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"announced": "HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 1000000000\n\n",
		"endless":   "HTTP/1.1 200 OK\nContent-Type: application/json\n\n",
		"header":    "HTTP/1.1 200 OK\nX: ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, func(n int, c *peerConn) {
				c.next()
				c.say("%s", head)
				for piece := make([]byte, 64<<10); ; {
					if _, err := c.Write(piece); err != nil {
						return
					}
				}
			})
			tr := caller(t, "http://"+p.addr, func(o *Options) { o.MaxMessage = 100_000 })
			_, err := call(t, tr, transports.Message{})
			if !errors.Is(err, transports.ErrUnknownOutcome) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want ErrUnknownOutcome before the deadline", err)
			}
		})
	}
}
