package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   []float64
		want spread
		ok   bool
	}{
		"none": {},
		"one":  {[]float64{3}, spread{3, 3, 3}, true},
		"odd":  {[]float64{9, 1, 2}, spread{1, 2, 9}, true},
		"even": {[]float64{9, 1, 2, 4}, spread{1, 3, 9}, true},
	} {
		got, ok := spreadOf(c.in)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v, want %v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

// ran returns an outcome with that rate, whose caller used a second of CPU time, and whose
// broker as many as are given.
func ran(rate int64, broker float64) outcome {
	return outcome{Calls: rate * 2, Seconds: 2, CPU: map[string]float64{"caller": 1, "broker": broker}, P99: 3 * time.Millisecond}
}

func TestRatioIsOfRounds(t *testing.T) {
	t.Parallel()
	r := results{
		{"S2", "redis-base", 0, ran(10_000, 1)}, {"S2", "redis-ours", 0, ran(60_000, 1)},
		{"S2", "redis-ours", 1, ran(30_000, 1)}, {"S2", "redis-base", 1, ran(5_000, 1)}, // a busy minute
		{"S2", "redis-base", 2, ran(10_000, 1)}, {"S2", "redis-ours", 2, ran(50_000, 1)},
		{"S1", "redis-ours", 0, ran(1, 1)},
	}
	got, ok := r.ratio("S2", "redis-ours", "redis-base", outcome.rate)
	if want := (spread{5, 6, 6}); got != want || !ok {
		t.Errorf("ratio %v, %v, want %v", got, ok, want)
	}
	if got, ok := r.ratio("S1", "redis-ours", "redis-base", outcome.rate); ok {
		t.Errorf("a ratio to what did not run: %v", got)
	}
}

func TestCost(t *testing.T) {
	t.Parallel()
	o := ran(10_000, 3) // 20,000 calls
	if got := cost("broker")(o); got != 1.5 {
		t.Errorf("the broker costs %v s per 10,000, want 1.5", got)
	}
	if got := totalCost(o); got != 2 {
		t.Errorf("all cost %v s per 10,000, want 2", got)
	}
	if got := totalCost(outcome{CPU: map[string]float64{"caller": 1}}); got != 0 {
		t.Errorf("no calls cost %v, want 0", got)
	}
}

func TestBaseChecksItsReplies(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]work{"add": {}, "size": {Payload: 1000}} {
		body, err := w.letter().request("a-1")
		if err != nil {
			t.Fatal(err)
		}
		id, reply := answer(body)
		if err := w.check(id, reply); err != nil || id != "a-1" {
			t.Errorf("%s: id %q, %v", name, id, err)
		}
		if w.check("a-2", reply) == nil {
			t.Errorf("%s: another request's reply passes", name)
		}
		if (work{Payload: 999}).check(id, reply) == nil {
			t.Errorf("%s: a wrong result passes", name)
		}
	}
	_, reply := answer([]byte(`{"jsonrpc":"2.0","id":"a-1","method":"nothing"}`))
	if err := (work{}).check("a-1", reply); err == nil || err.Error() != "error -32601: method not found" {
		t.Errorf("of an error reply: %v", err)
	}
}

func TestFailedCallsFailTheBench(t *testing.T) {
	t.Parallel()
	bad := ran(1, 1)
	bad.Failed = map[string]int64{"no reply": 2}
	if err := (results{{"S1", "nats", 0, ran(1, 1)}}).fault(); err != nil {
		t.Errorf("without a failure: %v", err)
	}
	err := results{{"S1", "nats", 0, ran(1, 1)}, {"S1", "nats", 1, bad}}.fault()
	if err == nil || err.Error() != "2 calls of S1/nats failed: no reply" {
		t.Errorf("with a failure: %v", err)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string][]string{
		"S2/redis":       {"S2/redis-base", "S2/redis-ours"},
		"batch/http":     {"batch/http-base", "batch/http-batch"},
		"backlog/1000/":  {"backlog/1000/redis-base", "backlog/1000/redis-ours", "backlog/1000/redis-jobs"},
		"callers/1/nats": {"callers/1/nats"},
		"idle":           {"idle/redis-ours", "idle/rabbitmq-ours"},
		"nothing":        nil,
	} {
		var got []string
		for _, p := range choose(scenarios(false), mustCompile(t, pattern)) {
			for _, s := range p.systems {
				got = append(got, p.scenario.name+"/"+s.name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, diff)
		}
	}
}
