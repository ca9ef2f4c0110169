package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// brokers are real ones on free ports of this machine, started when the first system
// needs them. All systems of a carrier share one.
type brokers struct {
	redis  *brokertest.Server
	client *redis.Client // of the bench's own, to Redis
	rabbit *brokertest.Rabbit
	nats   *child
	natsAt string

	versions []string // of those that were started
}

// host lets the bench use what is made for tests: all that a broker asks of its
// test is here.
type host struct {
	testing.TB
	bench *bench
}

// halt is panicked with by what makes it useless to go on.
type halt struct{ why string }

func (h host) Helper()                           {}
func (h host) Name() string                      { return "bench" }
func (h host) TempDir() string                   { return h.bench.tempDir() }
func (h host) Cleanup(do func())                 { h.bench.cleanups = append(h.bench.cleanups, do) }
func (h host) Fatal(args ...any)                 { panic(halt{fmt.Sprint(args...)}) }
func (h host) Fatalf(format string, args ...any) { panic(halt{fmt.Sprintf(format, args...)}) }
func (h host) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (h host) Error(args ...any)                 { fmt.Fprintln(os.Stderr, args...) }
func (h host) Logf(format string, args ...any)   { h.bench.say(format, args...) }

func (b *bench) tempDir() string {
	dir, err := os.MkdirTemp(b.dir, "broker-")
	if err != nil {
		panic(halt{err.Error()})
	}
	return dir
}

// need starts the broker of a carrier, if it does not run yet, and returns its URL and
// the number of its process. HTTP has neither.
func (b *bench) need(ctx context.Context, carrier string) (url string, pids []int, err error) {
	defer func() {
		if v := recover(); v != nil {
			h, ok := v.(halt)
			if !ok {
				panic(v)
			}
			err = errors.New(h.why)
		}
	}()
	switch carrier {
	case "redis":
		if b.redis == nil {
			b.redis = brokertest.Redis(host{bench: b})
			if b.client, err = dialRedis(b.redis.URL, 2); err != nil {
				return "", nil, err
			}
			info, err := b.client.InfoMap(ctx, "server").Result()
			if err != nil {
				return "", nil, err
			}
			b.versions = append(b.versions, "Redis "+info["Server"]["redis_version"])
		}
		return b.redis.URL, []int{b.redis.Pid()}, nil
	case "rabbitmq":
		if b.rabbit == nil {
			b.say("starting RabbitMQ")
			b.rabbit = brokertest.RabbitMQ(host{bench: b})
			// As a node has it by itself; the tests want statistics fifty times as often.
			b.rabbit.Ctl("eval", "application:set_env(rabbit, collect_statistics_interval, 5000).")
			conn, err := amqp.Dial(b.rabbit.URL)
			if err != nil {
				return "", nil, err
			}
			b.versions = append(b.versions, fmt.Sprintf("RabbitMQ %v", conn.Properties["version"]))
			if err := conn.Close(); err != nil {
				return "", nil, err
			}
		}
		return b.rabbit.URL, []int{b.rabbit.Pid()}, nil
	case "nats":
		if b.nats == nil {
			if err := b.startNATS(ctx); err != nil {
				return "", nil, err
			}
		}
		return b.natsAt, []int{b.nats.Process.Pid}, nil
	}
	return "", nil, nil
}

// sweep leaves nothing of a run behind for the next one.
func (b *bench) sweep(ctx context.Context, carrier string) error {
	if carrier != "redis" {
		return nil // what is left there are queues, empty or soon expired
	}
	if err := b.client.FlushAll(ctx).Err(); err != nil {
		return err
	}
	return b.client.ConfigResetStat(ctx).Err()
}

// freeAddress returns host:port of a port that nobody has, and each one once: the system
// may give a port again as long as the process that it was for does not listen.
func (b *bench) freeAddress() (string, error) {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", fmt.Errorf("find a free port: %w", err)
		}
		address := l.Addr().String()
		_ = l.Close()
		if !b.given[address] {
			b.given[address] = true
			return address, nil
		}
	}
}

func (b *bench) startNATS(ctx context.Context) error {
	program, err := natsProgram(ctx, b.say)
	if err != nil {
		return err
	}
	address, err := b.freeAddress()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	b.nats, err = b.spawn("nats-server", exec.Command(program, "--addr", "127.0.0.1", "--port", port))
	if err != nil {
		return err
	}
	b.natsAt = "nats://" + address
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := b.nats.says(ctx, "Server is ready"); err != nil {
		return err
	}
	log, err := os.ReadFile(b.nats.log)
	_, rest, _ := strings.Cut(string(log), "Version:")
	version, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	b.versions = append(b.versions, "NATS "+version)
	return err
}

// natsProgram finds nats-server, or installs it as root on Debian, as the tests do with
// brokers. Where packages start what they install, this one ends again.
func natsProgram(ctx context.Context, say func(string, ...any)) (string, error) {
	path, err := exec.LookPath("nats-server")
	if err == nil {
		return path, nil
	}
	if _, aptErr := exec.LookPath("apt-get"); aptErr != nil || os.Geteuid() != 0 {
		return "", errors.New("nats-server is not on PATH. Install it (Debian: apt-get install nats-server; " +
			"macOS: brew install nats-server), or leave it out: -run '/(redis|rabbitmq|http)'")
	}
	say("installing nats-server by apt")
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	const policy = "/usr/sbin/policy-rc.d" // where Debian asks whether it may start services
	if _, err := os.Stat(policy); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil { //nolint:gosec // a program
			return "", fmt.Errorf("keep services from starting: %w", err)
		}
		defer func() { _ = os.Remove(policy) }()
	}
	install := "apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends nats-server"
	cmd := exec.CommandContext(ctx, "sh", "-c", install+" || { apt-get -o DPkg::Lock::Timeout=120 update && "+install+"; }")
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install nats-server: %w:\n%s", err, out)
	}
	return exec.LookPath("nats-server")
}
