//go:build unix

// Package brokertest gives tests real brokers. A test that needs one gets one
// or fails and says what to install: nothing is ever skipped, because a green
// run that tested nothing is worse than a red one.
//
// Most tests need a Redis and keys of their own on it, which is cheap:
//
//	url, namespace := brokertest.Namespace(t)
//
// or a vhost of their own on a RabbitMQ:
//
//	url := brokertest.Vhost(t)
//
// Either is the one of [URLVariable] or [RabbitURLVariable] if that is set, else a
// container where a Docker engine answers, else redis-server, valkey-server or
// rabbitmq-server as installed, on free ports, else the one that apt installs, as
// root on Debian. Each test process prints once which one it was.
//
// A test that freezes, kills or configures its broker needs a process of its own:
//
//	redis := brokertest.Redis(t, brokertest.AOF())
//	redis.Pause()
//	rabbit := brokertest.RabbitMQ(t)
//	rabbit.Alarm(true)
//
// Brokers end with the test process, however it ends.
package brokertest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// URLVariable names the environment variable that holds the URL of a Redis which
// tests may use. They leave it without their keys when they have succeeded.
const URLVariable = "JOURNEYMAN_TEST_REDIS_URL"

// sharedRedis is the one that this process's cheap tests share. It lives as long
// as the process, for there is no last test that could stop it; and it is kept
// whole, because what becomes garbage is closed.
var sharedRedis = sync.OnceValues(chooseRedis)

// Namespace returns the URL of a Redis that other tests use too and a prefix
// for keys that none of them has, "t" and 16 lower-case letters and digits. Keys
// with the prefix anywhere in their names are deleted when the test has ended.
func Namespace(tb testing.TB) (url, namespace string) {
	tb.Helper()
	shared, err := sharedRedis()
	if err != nil {
		tb.Fatal(err)
	}
	url = shared.URL
	namespace = "t" + strings.ToLower(rand.Text()[:16])
	tb.Cleanup(func() {
		if err := deleteKeys(url, namespace); err != nil {
			tb.Errorf("deleting the keys of namespace %s: %v", namespace, err)
		}
	})
	return url, namespace
}

// chooseRedis finds or starts the shared Redis and says which one it is. Only
// one that it started here has more than a URL.
func chooseRedis() (*Server, error) {
	if url := os.Getenv(URLVariable); url != "" {
		if err := await(url, 2*time.Second, nil, nil); err != nil {
			return nil, fmt.Errorf("the Redis that %s names does not answer: %w", URLVariable, err)
		}
		say("Redis is the one of %s", URLVariable)
		return &Server{URL: url}, nil
	}
	url, err := container()
	if err == nil {
		say("Redis is a container of %s", redisImage)
		return &Server{URL: url}, nil
	}
	say("no Redis in a container: %v", err)
	program, err := redisProgram()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "brokertest-")
	if err != nil {
		return nil, fmt.Errorf("folder for Redis: %w", err)
	}
	s, err := startRedis(program, dir, config{removeDir: true})
	if err != nil {
		return nil, err
	}
	say("Redis is %s at %s", program, s.Addr)
	return s, nil
}

// await waits until a Redis answers at the URL. It gives up when patience ends,
// or as soon as dead, if given, returns an error.
func await(url string, patience time.Duration, secure func(*redis.Options), dead func() error) error {
	o, err := redis.ParseURL(url)
	if err != nil {
		return err // names no password
	}
	if secure != nil {
		secure(o)
	}
	o.MaxRetries, o.DialerRetries = -1, 1
	client := redis.NewClient(o)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		// The client logs every connection that is refused, so it gets to try
		// only where something listens.
		conn, err := new(net.Dialer).DialContext(ctx, o.Network, o.Addr)
		if err == nil {
			conn.Close()
			err = client.Ping(ctx).Err()
		}
		if err == nil {
			return nil
		}
		if dead != nil {
			if err := dead(); err != nil {
				return err
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w", patience, err)
		}
	}
}

func deleteKeys(url, namespace string) error {
	o, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	client := redis.NewClient(o)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	keys := client.Scan(ctx, 0, "*"+namespace+"*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := client.Del(ctx, keys.Val()).Err(); err != nil {
			return err
		}
	}
	return keys.Err()
}

// say writes a line for who runs the tests; go test shows it with -v and on failure.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "brokertest: "+format+"\n", args...)
}
