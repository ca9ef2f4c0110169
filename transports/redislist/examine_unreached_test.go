package redislist

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// What cannot be reached says in what way.
func TestExamineUnreached(t *testing.T) {
	t.Parallel()
	const secret = "hunter2hunter2"
	for name, tc := range map[string]struct {
		options []brokertest.Option
		change  func(tb testing.TB, server *brokertest.Server) Options
		silent  bool // it answers nothing, for which a test need not wait long
		refused bool
		said    string // by the error
		subject string // of a finding of trouble, if there is one
		words   []string
	}{
		"refused": {
			change: func(_ testing.TB, s *brokertest.Server) Options { s.Kill(); return Options{URL: s.URL} },
			said:   "connection refused",
		},
		"frozen": {
			change: func(_ testing.TB, s *brokertest.Server) Options { s.Pause(); return Options{URL: s.URL} },
			silent: true, said: "has not answered for",
		},
		"wrong password": {
			options: []brokertest.Option{brokertest.Password("right")},
			change: func(_ testing.TB, s *brokertest.Server) Options {
				return Options{URL: strings.Replace(s.URL, "right", secret, 1)}
			},
			refused: true, said: "WRONGPASS",
		},
		"no password": {
			options: []brokertest.Option{brokertest.Password("right")},
			change: func(_ testing.TB, s *brokertest.Server) Options {
				return Options{URL: "redis://" + s.Addr}
			},
			refused: true, said: "NOAUTH",
		},
		"no such database": {
			change:  func(_ testing.TB, s *brokertest.Server) Options { return Options{URL: "redis://" + s.Addr + "/99"} },
			refused: true, said: "DB index",
		},
		"a strange certificate": {
			options: []brokertest.Option{brokertest.TLS()},
			change:  func(_ testing.TB, s *brokertest.Server) Options { return Options{URL: s.URL} },
			refused: true, said: "JOURNEYMAN_REDIS_TLS=pin:",
		},
		"TLS is wanted": {
			options: []brokertest.Option{brokertest.TLS(), brokertest.Password(secret)},
			change: func(_ testing.TB, s *brokertest.Server) Options {
				return Options{URL: strings.Replace(s.URL, "rediss", "redis", 1)}
			},
			subject: "security", words: []string{"hung up", "rediss://"},
		},
		"TLS is not spoken": {
			change: func(_ testing.TB, s *brokertest.Server) Options {
				return Options{URL: "rediss://:" + secret + "@" + s.Addr}
			},
			subject: "security", words: []string{"takes connections, and does not answer TLS", "redis:// instead"},
		},
		"TLS is answered by something else": {
			change:  func(tb testing.TB, _ *brokertest.Server) Options { return Options{URL: "rediss://" + babbler(tb)} },
			subject: "security", words: []string{"does not answer as one that speaks TLS", "redis:// instead"},
		},
		"no room": {
			options: []brokertest.Option{brokertest.Args("--maxclients", "1")},
			change: func(tb testing.TB, s *brokertest.Server) Options {
				crowd(1)(tb, redisAt(tb, s.URL))
				return Options{URL: s.URL}
			},
			said: "max number of clients", subject: "connections", words: []string{"fewer processes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := tc.change(t, brokertest.Redis(t, tc.options...))
			timing := quick()
			if tc.silent {
				timing.connect = time.Second
			}
			tr, err := open(o, timing)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tr.Close() })
			findings, err := tr.Examine(t.Context(), transports.Plan{Services: []string{calculator}})
			if !errors.Is(err, transports.ErrUnavailable) || !strings.Contains(err.Error(), tc.said) {
				t.Errorf("the error is %v, want ErrUnavailable with %q", err, tc.said)
			}
			if _, refused := errors.AsType[*transports.RefusedError](err); refused != tc.refused {
				t.Errorf("refused: %t, of %v", refused, err)
			}
			if tc.subject != "" {
				lookFor(t, findings, transports.Trouble, tc.subject, tc.words...)
			} else if len(findings) > 0 {
				t.Errorf("found:\n%s", told(findings))
			}
			if text := fmt.Sprint(err, told(findings)); strings.Contains(text, secret) {
				t.Errorf("the password is shown: %s", text)
			}
		})
	}
}

// babbler is the address of what answers everybody with the same words.
func babbler(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	tb.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1000))
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// A broker that does not answer keeps nobody beyond the deadline.
func TestExamineEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	timing := quick()
	timing.connect = time.Hour
	tr, err := open(Options{URL: server.URL}, timing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := tr.Examine(ctx, transports.Plan{})
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
	server.Resume()
	_ = tr.Close()
	if _, err := tr.Examine(t.Context(), transports.Plan{}); !errors.Is(err, transports.ErrClosed) {
		t.Errorf("of a closed transport: %v", err)
	}
}
