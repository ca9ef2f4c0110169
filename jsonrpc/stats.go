package jsonrpc

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"
)

// Stats counts what a Mux has done in this process. rpc.stats returns it.
type Stats struct {
	Since   time.Time              `json:"since"`
	Methods map[string]MethodStats `json:"methods"`
}

// MethodStats counts one method, calls and notifications together.
type MethodStats struct {
	Calls   int64   `json:"calls"`   // begun
	Errors  int64   `json:"errors"`  // ended with an error of any kind
	Running int64   `json:"running"` // not yet ended
	Stuck   int64   `json:"stuck"`   // of those running: see Mux.Stuck
	Seconds float64 `json:"seconds"` // of all that have ended, together
}

// Stats returns the counts of every registered method.
func (m *Mux) Stats() Stats {
	s := Stats{Since: m.since, Methods: make(map[string]MethodStats, len(m.entries))}
	for name, e := range m.entries {
		s.Methods[name] = MethodStats{
			Calls:   e.counts.calls.Load(),
			Errors:  e.counts.errors.Load(),
			Running: e.counts.running.Load(),
			Stuck:   e.counts.stuck.Load(),
			Seconds: time.Duration(e.counts.nanos.Load()).Seconds(),
		}
	}
	return s
}

type counts struct {
	calls, errors, running, stuck, nanos atomic.Int64
}

// start counts one more run, and stop its end.
func (c *counts) start() {
	c.calls.Add(1)
	c.running.Add(1)
}

func (c *counts) stop(begin time.Time, err error) {
	c.nanos.Add(int64(time.Since(begin)))
	if err != nil {
		c.errors.Add(1)
	}
	c.running.Add(-1)
}

// builtin returns the handler of a method that every Mux has, nil if name is
// none of them.
func (m *Mux) builtin(name string) Handler {
	var answer func(context.Context) any
	switch name {
	case "rpc.discover":
		answer = func(ctx context.Context) any { return m.discover(isOutside(ctx)) }
	case "rpc.ping":
		answer = func(context.Context) any { return "pong" }
	case "rpc.stats":
		answer = func(context.Context) any { return m.Stats() }
	default:
		return nil
	}
	return func(ctx context.Context, _ json.RawMessage) (any, error) { return answer(ctx), nil }
}
