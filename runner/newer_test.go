package runner

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A crew says how many other workers serve the method "new".
type crew struct {
	workers int
	err     error
	asked   int
}

func (c *crew) Serving(_ context.Context, service, method string) (int, error) {
	c.asked++
	if service != "tester" || method != "new" {
		return 0, nil
	}
	return c.workers, c.err
}

// In a rolling deploy a message goes to a worker that knows its method, and
// without one its caller learns at once that there is no such method.
func TestNotMine(t *testing.T) {
	t.Parallel()
	const call = `{"jsonrpc":"2.0","id":1,"method":"new"}`
	for name, tt := range map[string]struct {
		body  string
		crew  crew
		want  transports.Verdict
		asked int
	}{
		"a newer worker":              {call, crew{workers: 1}, transports.NotMine, 1},
		"a newer worker, no reply":    {`{"jsonrpc":"2.0","method":"new"}`, crew{workers: 1}, transports.NotMine, 1},
		"nobody":                      {call, crew{}, transports.Done, 1},
		"nobody, no reply":            {`{"jsonrpc":"2.0","method":"new"}`, crew{}, transports.Retry, 1},
		"a broker that does not say":  {call, crew{workers: 1, err: errors.New("gone")}, transports.Done, 1},
		"a method that is there":      {`{"jsonrpc":"2.0","id":1,"method":"do"}`, crew{workers: 1}, transports.Done, 0},
		"not found, says the handler": {`{"jsonrpc":"2.0","id":-32601,"method":"do"}`, crew{workers: 1}, transports.Done, 0},
		"every service's own":         {`{"jsonrpc":"2.0","id":1,"method":"rpc.new"}`, crew{workers: 1}, transports.Done, 0},
		"a batch":                     {`[` + call + `]`, crew{workers: 1}, transports.Done, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAdapter(new(bytes.Buffer), map[string]method{"do": fine})
				a.locator = &tt.crew
				start := time.Now()
				out := a.handle(t.Context(), transports.Message{Body: []byte(tt.body)})
				if out.Verdict != tt.want || (out.Reply == nil) != (tt.want != transports.Done) || tt.crew.asked != tt.asked {
					t.Errorf("verdict %v with reply %s, want %v; others were asked for %d times, want %d", out.Verdict, out.Reply, tt.want, tt.crew.asked, tt.asked)
				}
				// Otherwise the same worker would take it again at once.
				if took := time.Since(start); (took > 0) != (tt.want == transports.NotMine) {
					t.Errorf("it was held for %v", took)
				}
			})
		})
	}
}

// A deploy with many such messages is one line of log a minute.
func TestNotMineLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := newAdapter(&log, nil)
		a.locator = &crew{workers: 1}
		for range 20 {
			a.handle(t.Context(), transports.Message{Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"new"}`)})
		}
		if n := strings.Count(log.String(), "method=new"); n != 1 {
			t.Errorf("the log tells %d times of it, want once", n)
		}
		time.Sleep(time.Minute)
		a.handle(t.Context(), transports.Message{Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"new"}`)})
		if n := strings.Count(log.String(), "method=new"); n != 2 {
			t.Errorf("a minute later the log tells %d times of it, want twice", n)
		}
	})
}

// Whoever no longer waits is not made to wait.
func TestNotMineInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAdapter(new(bytes.Buffer), nil)
		a.locator = &crew{workers: 1}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		out := a.handle(ctx, transports.Message{Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"new"}`)})
		if took := time.Since(start); out.Verdict != transports.Done || took != time.Millisecond {
			t.Errorf("verdict %v after %v, want it answered at its deadline", out.Verdict, took)
		}
	})
}
