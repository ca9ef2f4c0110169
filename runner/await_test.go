package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A pinged transport answers Ping, and nothing else.
type pinged struct {
	transports.Transport
	ping func(context.Context) error
}

func (p pinged) Ping(ctx context.Context) error { return p.ping(ctx) }
func (pinged) Close() error                     { return nil }

// Call waits for the broker, as long as that is worth it.
func (p pinged) Call(ctx context.Context, _ string, _ transports.Message) ([]byte, error) {
	if err := p.ping(ctx); err != nil {
		return nil, err
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (p pinged) Serve(ctx context.Context, _ transports.Service) error {
	<-ctx.Done()
	return nil
}

func (p pinged) open(Target) (Link, error) { return Link{Transport: p}, nil }

// refusal is what a transport returns that was turned away, with what it was doing.
func refusal(context.Context) error {
	return fmt.Errorf("ping broker: %w", &transports.RefusedError{Err: errors.New("wrong password")})
}

// Over HTTP there is nothing to wait for: a service may well be the first that is up.
func TestAwaitNobody(t *testing.T) {
	t.Parallel()
	s := &session{log: slog.New(slog.DiscardHandler), transport: pinged{ping: func(context.Context) error {
		t.Error("it looks for the other services")
		return nil
	}}}
	s.env.broker.transport = overHTTP
	if err := s.awaitBroker(t.Context()); err != nil {
		t.Error(err)
	}
}

// One warning at once, then one a minute, with a hint, until there is a broker.
func TestAwaitBrokerReminds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var log bytes.Buffer
		s := &session{binary: "app", log: slog.New(slog.NewTextHandler(&log, nil)), transport: pinged{ping: func(context.Context) error {
			if time.Since(began) < 150*time.Second {
				return transports.ErrUnavailable
			}
			return nil
		}}}
		if err := s.awaitBroker(t.Context()); err != nil {
			t.Error(err)
		}
		for part, want := range map[string]int{"level=WARN": 3, `or start one with \"app start\"`: 3, "msg=ready": 1} {
			if got := strings.Count(log.String(), part); got != want {
				t.Errorf("%d lines with %s, want %d:\n%s", got, part, want, &log)
			}
		}
	})
}

// A broker that refuses ends serve and web, and call says the same.
func TestRefusal(t *testing.T) {
	isolate(t, map[string]string{"PORT": "0", "REDIS_URL": "redis://u:hunter2@h"})
	want := "app: the broker at redis://u:xxxxx@h (from REDIS_URL) refuses this process: wrong password\n"
	site := newSite().with(pinged{ping: refusal}.open)
	for _, args := range [][]string{{"serve", "tester"}, {"web"}, {"call", "tester", "echo"}} {
		if got := site.run(t, args...); got.Code != 2 || got.Stderr != want {
			t.Errorf("%q: %+v, want exit code 2 and %s", args, got, want)
		}
	}
}

// A broker that stands still is named, not the service, and soon.
func TestCallToFrozenBroker(t *testing.T) {
	isolate(t, nil)
	frozen := pinged{ping: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	began := time.Now()
	got := newSite().with(frozen.open).run(t, "call", "--timeout", "50ms", "tester", "echo")
	if want := (result{3, "", "app: the broker at redis://127.0.0.1:6399 (from default) did not answer within 50ms\n"}); got != want {
		t.Errorf("it said %+v after %v", got, time.Since(began))
	}
}
