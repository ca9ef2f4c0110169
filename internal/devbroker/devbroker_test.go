package devbroker

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const patience = 60 * time.Second

// freePort keeps tests from one another and from a broker of the person who runs them.
const freePort = "127.0.0.1:0"

func nothingOnPath(string) (string, error) { return "", exec.ErrNotFound }

// Both kinds must do what a worker needs.
var kinds = map[string]struct {
	starter     starter
	description string // an expression
}{
	"server":   {starter{exec.LookPath, freePort}, `^(redis|valkey)-server \d+\.\d+\.\d+ \(private, in memory\)$`},
	"built-in": {starter{nothingOnPath, freePort}, `^built-in miniredis \(for development only\)$`},
}

func start(t *testing.T, s starter) *Broker {
	t.Helper()
	b, err := s.start(t.Context(), filepath.Join(t.TempDir(), "made", "here"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func connect(t *testing.T, b *Broker) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestBrokerServes(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, kind.starter)
			if !regexp.MustCompile(kind.description).MatchString(b.Description) {
				t.Errorf("description %q does not match %s", b.Description, kind.description)
			}
			client := connect(t, b)
			if err := client.LPush(t.Context(), "queue", "job").Err(); err != nil {
				t.Fatal(err)
			}
			got, err := client.BLMove(t.Context(), "queue", "backup", "RIGHT", "LEFT", time.Minute).Result()
			if err != nil || got != "job" {
				t.Errorf("BLMOVE: %q, %v", got, err)
			}
		})
	}
}

// Leases, reply lists and blocking commands all need a clock that runs.
func TestClockRuns(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := connect(t, start(t, kind.starter))
			ctx := t.Context()

			const soon = 50 * time.Millisecond
			if err := client.Set(ctx, "lease", "x", soon).Err(); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(patience); client.Exists(ctx, "lease").Val() != 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("a key outlives its expiry")
				}
			}

			if _, err := client.BRPop(ctx, soon, "empty").Result(); !errors.Is(err, redis.Nil) {
				t.Errorf("BRPOP of an empty list: %v, want nil after its timeout", err)
			}

			const inScript = `local t = redis.call('TIME') return t[1] * 1000000 + t[2]`
			began := time.Now().UnixMicro()
			for last, seen := began, 0; seen < 3; { // until it has moved on three times
				now, err := client.Eval(ctx, inScript, nil).Int64()
				if err != nil || now < last || now > time.Now().UnixMicro() {
					t.Fatalf("TIME in a script: %d, %v, after %d", now, err, last)
				}
				if now > last {
					last, seen = now, seen+1
				}
			}
		})
	}
}

func TestCloseEndsTheBroker(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, kind.starter)
			select {
			case <-b.Done():
				t.Fatal("done before Close")
			default:
			}
			// The port may be somebody else's a moment after Close: only an answer that
			// knows this key is the broker's.
			const mark = "left by TestCloseEndsTheBroker"
			if err := connect(t, b).Set(t.Context(), mark, b.URL, 0).Err(); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(b.Close(), b.Close()); err != nil {
				t.Fatal(err)
			}
			<-b.Done()
			if err := b.Err(); err != nil {
				t.Errorf("Err after Close: %v", err)
			}
			if left, err := connect(t, b).Get(t.Context(), mark).Result(); err == nil {
				t.Errorf("the broker still answers: %q", left)
			}
		})
	}
}

func TestTakenPortIsLeftToItsOwner(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", freePort)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			s := kind.starter
			s.addr = taken.Addr().String()
			b := start(t, s)
			if b.URL == "redis://"+s.addr {
				t.Fatal("the broker claims an address that is somebody else's")
			}
			if err := connect(t, b).Ping(t.Context()).Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The broker must be there while the workers drain.
func TestBrokerOutlivesTheContextOfItsStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b, err := kinds["server"].starter.start(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cancel()
	if err := connect(t, b).Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestServerThatEndsByItself(t *testing.T) {
	t.Parallel()
	b := start(t, kinds["server"].starter)
	pid, err := processAt(t.Context(), strings.TrimPrefix(b.URL, "redis://"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.Done():
	case <-time.After(patience):
		t.Fatal("Done stays open after the server was killed")
	}
	if err := b.Err(); err == nil || !strings.Contains(err.Error(), "ended by itself (signal: killed)") {
		t.Errorf("Err: %v", err)
	}
}

// fake puts a script in the place of redis-server.
func fake(t *testing.T, script string) starter {
	t.Helper()
	path := filepath.Join(t.TempDir(), "redis-server")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return starter{addr: freePort, find: func(name string) (string, error) {
		if name != "redis-server" {
			return "", exec.ErrNotFound
		}
		return path, nil
	}}
}

func TestOldServersArePassedOver(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"echo Redis server v=6.0.16 sha=00000000:0": "redis-server on PATH is 6.0.16, and 6.2 is needed",
		"echo hello": "redis-server on PATH does not tell its version",
		"exit 1":     "redis-server on PATH does not tell its version",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			b := start(t, fake(t, script))
			if want = "built-in miniredis (for development only; " + want + ")"; b.Description != want {
				t.Errorf("description %q, want %q", b.Description, want)
			}
		})
	}
}

func TestServerThatDoesNotComeUp(t *testing.T) {
	t.Parallel()
	const version = `[ "$1" = --version ] && { echo Redis server v=7.0.0; exit; }; `
	t.Run("its error is shown", func(t *testing.T) {
		t.Parallel()
		_, err := fake(t, version+`echo FATAL: no luck >&2; exit 1`).start(t.Context(), t.TempDir())
		if err == nil || !strings.Contains(err.Error(), "redis-server ended by itself (exit status 1): FATAL: no luck") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the port was taken meanwhile", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		_, err := fake(t, version+`echo >>"`+dir+`/tries"; echo bind: Address already in use; exit 1`).start(t.Context(), dir)
		tries, _ := os.ReadFile(filepath.Join(dir, "tries"))
		if err == nil || len(tries) != 3 {
			t.Errorf("%d tries, then %v", len(tries), err)
		}
	})
	t.Run("it is silent, and ctx ends", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := fake(t, version+`exec sleep 1000`).start(ctx, t.TempDir())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}
