package httprpc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// serving is one running Serve.
type serving struct {
	stop context.CancelFunc
	done chan error
}

// serve has p serve s until the test ends, and returns when it listens.
func serve(t *testing.T, p *process, s transports.Service) *serving {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	v := &serving{stop, make(chan error, 1)}
	go func() { v.done <- p.Serve(ctx, s) }()
	t.Cleanup(func() { p.Close() })
	t.Cleanup(stop)
	poll(t, "the service to listen", func() bool {
		p.Transport.mu.Lock()
		defer p.Transport.mu.Unlock()
		return p.door != nil && p.door.desks[s.Name] != nil && !p.door.desks[s.Name].isStopping()
	})
	return v
}

// wait returns what Serve returned.
func (v *serving) wait(t *testing.T) error {
	t.Helper()
	return receive(t, v.done, "Serve to return")
}

func receive[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func echo(_ context.Context, m transports.Message) transports.Outcome {
	return transports.Outcome{Reply: append([]byte{}, m.Body...)}
}

// A gate is a handler that reports each message, and holds it until it is let through
// or its context ends.
type gate struct {
	entered chan transports.Message
	release chan struct{}
	ended   chan error // of contexts that ended first
}

func newGate() *gate {
	return &gate{make(chan transports.Message, 64), make(chan struct{}, 64), make(chan error, 64)}
}

func (g *gate) handle(ctx context.Context, m transports.Message) transports.Outcome {
	g.entered <- m
	select {
	case <-g.release:
	case <-ctx.Done():
		g.ended <- ctx.Err()
	}
	return echo(ctx, m)
}

// A seen is what came back for a request as a foreign client writes it.
type seen struct {
	status  int
	refused string
	header  http.Header
	body    string
	last    bool // the connection is closed after it
}

// ask sends a request of a client that is not ours, on a connection of its own.
func ask(t *testing.T, p *process, method, path, body string, header map[string]string) seen {
	t.Helper()
	r, err := http.NewRequestWithContext(patient(t), method, "http://"+p.at()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	if header["Content-Type"] == "none" {
		r.Header.Del("Content-Type")
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return seen{response.StatusCode, response.Header.Get(headerRefused), response.Header, string(got), response.Close}
}

// A peer is a server that speaks as a test tells it to. Each connection is given to
// talk, with the requests that come on it read by next.
type peer struct {
	addr string
	mu   sync.Mutex
	seen []string // requests, as they were written
}

func newPeer(t *testing.T, talk func(n int, c *peerConn)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{addr: l.Addr().String()}
	var work sync.WaitGroup
	work.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer c.Close()
				talk(n, &peerConn{Conn: c, peer: p})
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		work.Wait()
	})
	return p
}

type peerConn struct {
	net.Conn
	peer *peer
	rest []byte
}

// next reads one request to the end of its body and returns false if there is none.
func (c *peerConn) next() bool {
	buffer := make([]byte, 64<<10)
	for {
		head, rest, complete := bytes.Cut(c.rest, []byte("\r\n\r\n"))
		var length int
		if i := bytes.Index(head, []byte("Content-Length: ")); complete && i >= 0 {
			_, _ = fmt.Sscanf(string(head[i:]), "Content-Length: %d", &length)
		}
		if complete && len(rest) >= length {
			c.peer.mu.Lock()
			c.peer.seen = append(c.peer.seen, string(c.rest[:len(head)+4+length]))
			c.peer.mu.Unlock()
			c.rest = rest[length:]
			return true
		}
		n, err := c.Read(buffer)
		if err != nil {
			return false
		}
		c.rest = append(c.rest, buffer[:n]...)
	}
}

func (c *peerConn) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c, strings.ReplaceAll(format, "\n", "\r\n"), args...)
}

// reply answers the way a service does.
func (c *peerConn) reply(body string) {
	c.say("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: %d\n\n%s", len(body), body)
}

func (p *peer) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

// caller returns a process that finds calculator at base.
func caller(t *testing.T, base string, change func(*Options)) *Transport {
	t.Helper()
	o := Options{Services: map[string]string{"calculator": base}, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	tr, err := open(o, quick())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// A buffer is a log to be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
