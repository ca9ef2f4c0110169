//go:build unix

package endtoend

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// freezeVariable makes the broker stand still for longer than the test's default,
// which is two and a half leases.
const freezeVariable = "ENDTOEND_FREEZE"

// A broker that stands still under 64 running handlers: each runs once, nobody is
// declared dead, and all goes on by itself.
func TestFrozenBroker(t *testing.T) {
	t.Parallel()
	freeze := 20 * time.Second
	if v := os.Getenv(freezeVariable); v != "" {
		var err error
		if freeze, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	server := brokertest.Redis(t)
	a := newApplication(t, server.URL, "")
	workers := a.startAll(3)
	ctx, cancel := context.WithTimeout(t.Context(), freeze+time.Minute)
	defer cancel()
	const calls = 64
	// The workers have beaten for a lease, so that each of them may judge others.
	a.call(ctx, 3, int(10*time.Second/time.Millisecond))()
	if err := os.Truncate(a.ledger, 0); err != nil {
		t.Fatal(err)
	}
	wait := a.call(ctx, calls, 3000)
	a.eventually("all handlers to run", func() bool { begun, _ := a.counts(); return len(begun) == calls })
	server.Pause()
	time.Sleep(freeze)
	if _, ended := a.counts(); len(ended) != calls {
		t.Errorf("%d of %d handlers finished while the broker stood still", len(ended), calls)
	}
	server.Resume()
	thawed := time.Now()
	wait()
	t.Logf("all %d calls answered %v after a standstill of %v", calls, time.Since(thawed).Round(time.Millisecond), freeze)
	a.call(ctx, calls, 1)()
	begun, ended := a.counts()
	for n := range calls {
		if begun[n] != 2 || ended[n] != 2 {
			t.Errorf("job %d of the two rounds began %d times and ended %d times", n, begun[n], ended[n])
		}
	}
	for _, w := range workers {
		w.stop(t)
		if log := w.log.String(); strings.Contains(log, "took over") || strings.Contains(log, "declared dead") {
			t.Errorf("somebody was declared dead:\n%s", log)
		}
	}
}
