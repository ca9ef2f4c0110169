//go:build unix

package brokertest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// client returns a client of s that never tries anything twice.
func client(t *testing.T, s *Server) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.secure(o)
	o.MaxRetries, o.ContextTimeoutEnabled = -1, true
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestNamespace(t *testing.T) {
	url, first := Namespace(t)
	c := client(t, &Server{URL: url})
	t.Run("keys go with the test", func(t *testing.T) {
		again, second := Namespace(t)
		if again != url || second == first {
			t.Errorf("got %s, %s after %s, %s: want the same URL, another namespace", again, second, url, first)
		}
		for _, key := range []string{second + ":a", "{" + second + ":a}:w:1", first + ":a"} {
			if err := c.Set(t.Context(), key, "x", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(runtime.GC) // a shared server that nothing refers to would end here
	})
	keys, err := c.Keys(t.Context(), "*:a*").Result()
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(keys, []string{first + ":a"}) {
		t.Errorf("keys left after the test: %q, want that of %s alone", keys, first)
	}
}

func TestUnreachableURL(t *testing.T) {
	s := Redis(t)
	s.Kill()
	t.Setenv(URLVariable, s.URL)
	_, err := chooseRedis()
	if err == nil || !strings.Contains(err.Error(), URLVariable) {
		t.Errorf("error %v, want one that names %s", err, URLVariable)
	}
}

func TestPauseResume(t *testing.T) {
	t.Parallel()
	s := Redis(t)
	c := client(t, s)
	for range 3 {
		if err := c.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		s.Pause()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := c.Ping(ctx).Err(); err == nil {
			t.Error("a paused Redis answered")
		}
		cancel()
		s.Resume()
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after Resume: %v", err)
	}
	s.Pause() // and its end does not wait for Resume
}

func TestRestart(t *testing.T) {
	t.Parallel()
	for name, stores := range map[string]bool{"AOF": true, "nothing stored": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opts []Option
			if stores {
				opts = append(opts, AOF())
			}
			s := Redis(t, opts...)
			pid := s.Pid()
			if err := client(t, s).Set(t.Context(), "key", "value", 0).Err(); err != nil {
				t.Fatal(err)
			}
			s.Restart()
			got, err := client(t, s).Get(t.Context(), "key").Result()
			if stores && got != "value" || !stores && !errors.Is(err, redis.Nil) {
				t.Errorf("after Restart the key is %q, error %v", got, err)
			}
			if s.Pid() == pid {
				t.Error("after Restart it is the same process")
			}
		})
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	s := Redis(t, Password("s3cret/:"), TLS(), Args("--maxmemory", "3mb"))
	c := client(t, s)
	got, err := c.ConfigGet(t.Context(), "maxmemory").Result()
	if err != nil || got["maxmemory"] != fmt.Sprint(3<<20) {
		t.Errorf("maxmemory is %v, error %v", got, err)
	}
	wrong := *c.Options()
	wrong.Password = "wrong"
	refused := redis.NewClient(&wrong)
	defer refused.Close()
	if err := refused.Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with a wrong password: error %v", err)
	}
	distrusts := &Server{URL: s.URL}
	if err := client(t, distrusts).Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the CA: error %v", err)
	}
}

func TestBadArgumentShowsTheLog(t *testing.T) {
	t.Parallel()
	program, err := redisProgram()
	if err != nil {
		t.Fatal(err)
	}
	_, err = startRedis(program, t.TempDir(), config{args: []string{"--no-such-option", "1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-option") || !strings.Contains(err.Error(), "status 1") {
		t.Errorf("error %v, want the exit status and what Redis says of the option", err)
	}
}
