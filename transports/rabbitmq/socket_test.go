package rabbitmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

// A recorder is a connection that keeps what is written to it.
type recorder struct {
	net.Conn
	mu     sync.Mutex
	writes []string
	failed error
	closed bool
	readBy []time.Time
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return 0, r.failed
	}
	r.writes = append(r.writes, string(b))
	return len(b), nil
}

func (r *recorder) SetWriteDeadline(time.Time) error { return nil }

func (r *recorder) Close() error {
	r.closed = true
	return nil
}

func (r *recorder) SetReadDeadline(at time.Time) error {
	r.readBy = append(r.readBy, at)
	return nil
}

func put(t *testing.T, s *socket, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if n, err := s.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("write %.20q: %d bytes, error %v", text, n, err)
		}
	}
}

// recording returns a socket over a connection that takes everything at once.
func recording() (*recorder, *socket) {
	r := &recorder{}
	return r, &socket{Conn: r, try: r.Write, patience: time.Minute}
}

func TestSocketGathers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("l", mostHeld)
	for name, c := range map[string]struct {
		texts []string
		want  []string
	}{
		"one":                   {[]string{"a"}, []string{"a"}},
		"several":               {[]string{"a", "b", "c"}, []string{"abc"}},
		"none":                  {nil, nil},
		"more than may be held": {[]string{"a", "b", long, "c", "d"}, []string{"ab" + long, "cd"}},
	} {
		r, s := recording()
		put(t, s, "before")
		s.gather(func() { put(t, s, c.texts...) })
		put(t, s, "after")
		if diff := cmp.Diff(append(append([]string{"before"}, c.want...), "after"), r.writes); diff != "" {
			t.Errorf("%s: writes (-want +got):\n%.300s", name, diff)
		}
	}
}

// Where two gather, what the first one wrote has left when it goes on.
func TestSocketGathersForTwo(t *testing.T) {
	t.Parallel()
	r, s := recording()
	s.gather(func() {
		put(t, s, "a")
		s.gather(func() { put(t, s, "b") })
		if diff := cmp.Diff([]string{"ab"}, r.writes); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
		put(t, s, "c", "d")
	})
	if diff := cmp.Diff([]string{"ab", "cd"}, r.writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// What is said while somebody writes leaves with the next write, and whoever says it does
// not wait for that. Nobody writes for others for ever.
func TestSocketTakesAlong(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	s := &socket{Conn: r, patience: time.Minute}
	said := 0
	s.try = func(b []byte) (int, error) {
		for range 2 { // others, who do not write
			if said++; said <= 2*mostTurns+4 {
				put(t, s, fmt.Sprint(said, " "))
			}
		}
		return r.Write(b)
	}
	put(t, s, "first ")
	s.background.Wait()
	want := []string{"first ", "1 2 ", "3 4 ", "5 6 ", "7 8 "}
	if diff := cmp.Diff(want, r.writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// A failure is told to whoever writes next, and nothing is written after it: the broker
// would take it for the rest of what is missing.
func TestSocketFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, prepare := range map[string]func(r *recorder, s *socket){
		"at once":           func(*recorder, *socket) {},
		"in the background": func(_ *recorder, s *socket) { s.try = nil },
		"after a part":      func(_ *recorder, s *socket) { s.try = func([]byte) (int, error) { return 1, nil } },
	} {
		r, s := recording()
		prepare(r, s)
		r.failed = broken
		s.gather(func() { put(t, s, "a", "b") })
		s.background.Wait()
		r.failed = nil
		if err := s.failure(); !errors.Is(err, broken) || !r.closed {
			t.Errorf("%s: the failure is %v, and the connection is closed: %v", name, err, r.closed)
		}
		if n, err := s.Write([]byte("c")); n != 0 || !errors.Is(err, broken) {
			t.Errorf("%s: after that %d bytes are written, error %v", name, n, err)
		}
		s.gather(func() {
			if n, err := s.Write([]byte("d")); n != 0 || !errors.Is(err, broken) {
				t.Errorf("%s: to be gathered after that are %d bytes, error %v", name, n, err)
			}
		})
		if len(r.writes) > 0 {
			t.Errorf("%s: written after the failure: %q", name, r.writes)
		}
		if s.full() != nil {
			t.Errorf("%s: one waits for room that there will never be", name)
		}
	}
}

// What is closed while somebody writes is not written to any more, and keeps nothing.
func TestSocketClosedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2} { // so much is taken of two bytes
		r, s := recording()
		s.try = func([]byte) (int, error) {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			return n, nil
		}
		put(t, s, "ab")
		s.background.Wait()
		if len(s.held)+len(r.writes) > 0 || s.failure() != nil || s.full() != nil {
			t.Errorf("%d bytes are taken: %d are held, %q is written, failure %v", n, len(s.held), r.writes, s.failure())
		}
	}
}

// A connection that takes little at a time is given the rest by the socket itself, in order,
// and those who would say much wait until there is room.
func TestSocketFillsUp(t *testing.T) {
	t.Parallel()
	here, there := tcp(t)
	s := newSocket(here, time.Minute)
	if s.try == nil {
		t.Fatal("there is no write that does not wait") // on all systems that run this test
	}
	var want bytes.Buffer
	for i := 0; s.full() == nil; i++ { // more than lies between processes
		text := bytes.Repeat([]byte{byte(i)}, 48<<10)
		want.Write(text)
		if n, err := s.Write(text); n != len(text) || err != nil {
			t.Fatalf("%d bytes are taken, error %v", n, err)
		}
	}
	room := s.full()
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(there, got); err != nil {
		t.Fatal(err)
	}
	await(t, "room", room)
	s.background.Wait()
	put(t, s, "after")
	if _, err := io.ReadFull(there, got[:5]); err != nil || string(got[:5]) != "after" {
		t.Errorf("%q, error %v, is written after that", got[:5], err)
	}
	copy(got, want.Bytes()[:5])
	if !bytes.Equal(want.Bytes(), got) {
		t.Error("what arrives is something else than what was written")
	}
}

// tcp returns both ends of a connection.
func tcp(t *testing.T) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if here, err = net.Dial("tcp", l.Addr().String()); err == nil {
		there, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	return here, there
}

// Nobody reads, so a write that has no limit never ends.
func TestSocketBoundsWrites(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	s := newSocket(here, time.Millisecond)
	put(t, s, "a")
	s.background.Wait()
	var timeout net.Error
	if err := s.failure(); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("error %v, want a timeout", err)
	}
}

func TestSocketReadDeadlines(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	s := &socket{Conn: r}
	now := time.Now()
	for _, ms := range []int64{0, 1, 99, 100, 150, 201, 200, 299} {
		if err := s.SetReadDeadline(now.Add(time.Duration(ms) * time.Millisecond)); err != nil {
			t.Error(err)
		}
	}
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		t.Error(err)
	}
	var got []int64
	for _, at := range r.readBy[:len(r.readBy)-1] {
		got = append(got, at.Sub(now).Milliseconds())
	}
	if want := []int64{0, 100, 201, 200}; !slices.Equal(want, got) || !r.readBy[len(r.readBy)-1].IsZero() {
		t.Errorf("deadlines are set to %v ms, want %v and none", got, want)
	}
}

// What a connection that breaks may or may not have taken is told to whoever sent it.
func TestGatheredAndLost(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	sender := a.process(func(_ *Options, timing *timing) { timing.heartbeat = time.Minute })
	s, err := sender.publishing.session(a.ctx(), forever)
	if err != nil {
		t.Fatal(err)
	}
	s.socket.mu.Lock()
	s.socket.try, s.socket.patience = nil, -time.Second // the next write fails when it leaves
	s.socket.mu.Unlock()
	if err := sender.Send(a.ctx(), calculator, transports.Message{}); !errors.Is(err, transports.ErrUnknownOutcome) {
		t.Errorf("error %v, want %v", err, transports.ErrUnknownOutcome)
	}
	await(t, "the session to be given up", s.lost)
	if !errors.Is(s.why, os.ErrDeadlineExceeded) {
		t.Errorf("it is given up because of %v, want the write that failed", s.why)
	}
	if n := sender.Counts().UnknownSends; n != 1 {
		t.Errorf("%d sends of unknown outcome are counted, want 1", n)
	}
	if err := sender.Send(a.ctx(), calculator, transports.Message{}); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// A call that hands its request over ends when it is told to, though the write does not:
// that of one that is being written, and those of others which wait for it.
func TestHandOverEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(cancel func(), tr *Transport){
		"by its context": func(cancel func(), _ *Transport) { cancel() },
		"by Close":       func(_ func(), tr *Transport) { _ = tr.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			relay := newRelay(t, a.url)
			caller := a.process(through(relay.url), func(_ *Options, timing *timing) {
				timing.write, timing.heartbeat, timing.closing = 2*patience, time.Hour, 2*patience
			})
			a.serve(a.process(), echo, 1)
			a.call(caller, "before")
			s, err := caller.publishing.session(a.ctx(), forever)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(a.Context())
			defer cancel()
			results := make(chan error, 3)
			call := func(body []byte) {
				_, err := caller.Call(ctx, calculator, transports.Message{Body: body})
				results <- err
			}
			relay.deafen()
			go call(make([]byte, DefaultMaxMessage)) // more than lies between processes
			a.eventually("it to be written", func() bool { return s.outlet.written.Load() == 2 })
			go call(nil)
			go call(nil)
			a.eventually("the calls to begin", func() bool {
				caller.replies.mu.Lock()
				defer caller.replies.mu.Unlock()
				return len(caller.replies.pending) == 3
			})
			ended := make(chan struct{})
			go func() { defer close(ended); end(cancel, caller) }()
			for range 3 {
				if err := await(t, "a call to end", results); err == nil {
					t.Error("a call succeeds that cannot have left")
				}
			}
			relay.cut() // Close waits for the broker
			await(t, "the end", ended)
		})
	}
}
