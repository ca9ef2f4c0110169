package redislist

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// A crowd of messages is taken by few commands, and a lone one costs no script on its
// way to the worker.
func TestAdaptiveFetch(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	admin := redisAt(t, server.URL)
	used := func(command string) int {
		t.Helper()
		stats, err := admin.Info(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		calls, _, _ := strings.Cut(strings.TrimPrefix(infoFields(stats)["cmdstat_"+command], "calls="), ",")
		n, _ := strconv.Atoi(calls)
		return n
	}
	const crowd = 300
	sender, worker := process(t, Options{URL: server.URL}), process(t, Options{URL: server.URL})
	for range crowd {
		if err := sender.Send(t.Context(), calculator, transports.Message{Body: []byte("{")}); err != nil {
			t.Fatal(err)
		}
	}
	var ran atomic.Int64
	serveSlots(t, worker, func(context.Context, transports.Message) transports.Outcome {
		ran.Add(1)
		return transports.Outcome{Reply: []byte("x")}
	}, 64)
	eventually(t, "the crowd to run", func() bool { return ran.Load() == crowd })
	if n := used("blmove"); n > crowd/4 {
		t.Errorf("%d waits for %d messages that were there", n, crowd)
	}

	lone := func(n int) {
		for range n {
			if _, err := call(t, sender, "{"); err != nil {
				t.Fatal(err)
			}
		}
	}
	lone(2 * crowdLasts)    // until no more are expected to come together
	before := used("zcard") // which take.lua alone asks for
	lone(2 * crowdLasts)
	if n := used("zcard") - before; n != 0 {
		t.Errorf("the script ran %d times for messages that came one by one", n)
	}
}

// A worker that has nothing to do keeps nothing of what it did last.
func TestIdleKeepsNothing(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	o := Options{URL: url, Namespace: namespace}
	sender, worker := process(t, o), process(t, o)
	bodies := make(chan weak.Pointer[byte], 1)
	serveSlots(t, worker, func(_ context.Context, m transports.Message) transports.Outcome {
		bodies <- weak.Make(&m.Body[0])
		return transports.Outcome{Reply: []byte("x")}
	}, 4)
	if _, err := call(t, sender, "{"+strings.Repeat("x", 1<<20)); err != nil {
		t.Fatal(err)
	}
	body := <-bodies
	eventually(t, "the body to be let go", func() bool {
		runtime.GC()
		return body.Value() == nil
	})
}
