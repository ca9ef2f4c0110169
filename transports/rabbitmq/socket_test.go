package rabbitmq

import (
	"bytes"
	"context"
	"errors"
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

func TestSocketGathers(t *testing.T) {
	t.Parallel()
	long, longer := strings.Repeat("l", mostHeld-2), strings.Repeat("L", mostHeld+1)
	for name, c := range map[string]struct {
		texts []string
		want  []string
	}{
		"one":                   {[]string{"a"}, []string{"a"}},
		"several":               {[]string{"a", "b", "c"}, []string{"abc"}},
		"none":                  {nil, nil},
		"more than may be held": {[]string{"a", "b", "c", long, "d"}, []string{"abc", long + "d"}},
		"a very long one":       {[]string{"a", longer, "b", "c"}, []string{"a", longer, "bc"}},
	} {
		r := &recorder{}
		s := &socket{Conn: r, patience: time.Minute}
		put(t, s, "before")
		if err := s.gather(func() { put(t, s, c.texts...) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		put(t, s, "after")
		if diff := cmp.Diff(append(append([]string{"before"}, c.want...), "after"), r.writes); diff != "" {
			t.Errorf("%s: writes (-want +got):\n%.300s", name, diff)
		}
	}
}

// Where two gather, what the first one wrote has left when it goes on.
func TestSocketGathersForTwo(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	s := &socket{Conn: r, patience: time.Minute}
	err := s.gather(func() {
		put(t, s, "a")
		if err := s.gather(func() { put(t, s, "b") }); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"ab"}, r.writes); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
		put(t, s, "c", "d")
	})
	if diff := cmp.Diff([]string{"ab", "cd"}, r.writes); diff != "" || err != nil {
		t.Errorf("error %v, writes (-want +got):\n%s", err, diff)
	}
}

// A failure is told to whoever gathered, and nothing is written after it: the broker
// would take it for the rest of what is missing.
func TestSocketFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	r := &recorder{failed: broken}
	s := &socket{Conn: r, patience: time.Minute}
	if err := s.gather(func() { put(t, s, "a", "b") }); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the write", err)
	}
	r.failed = nil
	if n, err := s.Write([]byte("c")); n != 0 || !errors.Is(err, broken) {
		t.Errorf("after that %d bytes are written, error %v", n, err)
	}
	err := s.gather(func() {
		if n, err := s.Write([]byte("d")); n != 0 || !errors.Is(err, broken) {
			t.Errorf("to be gathered after that are %d bytes, error %v", n, err)
		}
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the write before", err)
	}
	if len(r.writes) > 0 {
		t.Errorf("written after the failure: %q", r.writes)
	}

	// A write that fails within tells of it too.
	r = &recorder{failed: broken}
	s = &socket{Conn: r, patience: time.Minute}
	err = s.gather(func() {
		if _, err := s.Write(bytes.Repeat([]byte("l"), mostHeld+1)); !errors.Is(err, broken) {
			t.Errorf("a long write: error %v", err)
		}
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the long write", err)
	}
}

// Nobody reads, so a write that has no limit never ends.
func TestSocketBoundsWrites(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	s := &socket{Conn: here, patience: time.Millisecond}
	failed := make(chan error, 1)
	go func() { failed <- s.gather(func() { put(t, s, "a") }) }()
	var timeout net.Error
	if err := await(t, "the write to be given up", failed); !errors.As(err, &timeout) || !timeout.Timeout() {
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
	s.socket.patience = -time.Second // the next write fails when it leaves
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
