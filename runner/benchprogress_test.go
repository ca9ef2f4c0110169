package runner

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/internal/load"
)

// On a terminal one line says how far it is, and leaves nothing behind.
func TestBenchProgress(t *testing.T) {
	t.Parallel()
	b := &benchmark{}
	b.plan.Warmup, b.plan.Window = time.Second, 5*time.Second
	b.made.Store(12_345)
	stages := map[time.Duration]string{
		500 * time.Millisecond:  "warming up",
		3250 * time.Millisecond: "2.2s of 5s, 12,345 calls",
		7 * time.Second:         "waiting for the calls under way",
	}
	for after, want := range stages {
		if got := b.stage(after); got != want {
			t.Errorf("after %s it says %q, want %q", after, got, want)
		}
	}
	b.plan.Warmup, b.plan.Window, b.plan.Calls = 0, 0, 20_000
	if got, want := b.stage(time.Minute), "12,345 of 20,000 calls"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}

	var out bytes.Buffer
	tick, over, ended := make(chan time.Time), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		b.progress(&out, tick, over)
	}()
	tick <- time.Now()
	tick <- time.Now()
	close(over)
	receive(t, ended, "the line is taken away")
	if got, want := out.String(), strings.Repeat("\r\x1b[K12,345 of 20,000 calls", 2)+"\r\x1b[K"; got != want {
		t.Errorf("it wrote %q, want %q", got, want)
	}
}

// The line counts what is measured: no call of the warm-up.
func TestBenchProgressCounts(t *testing.T) {
	isolate(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := targeted(t, func(_ context.Context, number int64) (any, error) {
		if number == 600 {
			cancel()
		}
		return "done", nil
	})
	link, err := s.open(Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Transport.Close()
	b := &benchmark{request: request{service: "tester", method: "work", timeout: patience}}
	b.plan = load.Plan{Callers: 4, Calls: 100}
	b.run(ctx, client.New(link.Transport, "tester"))
	if got := b.made.Load(); got != 100 {
		t.Errorf("of 100 calls it counts %d", got)
	}
	b.plan = load.Plan{Callers: 4, Warmup: time.Hour}
	b.run(ctx, client.New(link.Transport, "tester"))
	if got := b.made.Load(); got != 100 || !b.interrupted {
		t.Errorf("it counts %d of the 500 calls of a warm-up", got-100)
	}
}
