package main

import (
	"fmt"
	"slices"
	"strings"
)

// A kind of scenario decides what is measured.
type kind string

const (
	calls kind = "calls" // callers in a closed loop
	drain kind = "drain" // requests that were queued before a worker started
	idle  kind = "idle"  // workers that nobody calls
)

// A scenario is one question, asked of several systems.
type scenario struct {
	name    string
	what    string
	kind    kind
	callers int
	workers int
	payload int // bytes; 0: add
	queued  int
	curve   string  // of which it is a point, "" for a table of its own
	x       float64 // where on that curve
	systems func(*system) bool
}

// single is every system that makes calls one by one.
func single(s *system) bool { return s.per == 1 && !s.jobs }

// The curves, in the order in which they are shown.
const (
	byCallers = "callers"
	byPayload = "payload"
	byWorkers = "workers"
	byBacklog = "backlog"
)

// scenarios returns all of them, or in the short form the least that shows that each
// kind still works.
func scenarios(short bool) []scenario {
	all := []scenario{
		{name: "S1", what: "1 caller, 1 worker", callers: 1, workers: 1},
		{name: "S2", what: "64 callers, 1 worker", callers: 64, workers: 1},
		{name: "S3", what: "256 callers, 2 workers", callers: 256, workers: 2},
		{
			name: "batch", what: fmt.Sprintf("64 callers, 1 worker; ours send %d calls in each message, the bases one", perBatch), callers: 64, workers: 1,
			systems: func(s *system) bool { return s.per > 1 || s.base == "" && s.name != natsName },
		},
	}
	all = append(all, drains(short)...)
	all = append(all, scenario{
		name: "idle", what: "workers that nobody calls", kind: idle, workers: pick(short, 2, 6),
		systems: func(s *system) bool { return s.ours() && single(s) && s.carrier != "http" },
	})
	for _, n := range pick(short, []int{8}, []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}) {
		all = append(all, scenario{callers: n, workers: 1, curve: byCallers, x: float64(n)})
	}
	for _, n := range pick(short, []int{10_000}, []int{100, 1_000, 10_000, 100_000, 1_000_000}) {
		all = append(all, scenario{callers: 64, workers: 1, payload: n, curve: byPayload, x: float64(n)})
	}
	for _, callers := range pick(short, []int{64}, []int{64, 256}) {
		for _, n := range pick(short, []int{2}, []int{1, 2, 4, 8}) {
			all = append(all, scenario{callers: callers, workers: n, curve: fmt.Sprintf("%s-%d", byWorkers, callers), x: float64(n)})
		}
	}
	for i := range all {
		all[i].complete()
	}
	return all
}

func (s *scenario) complete() {
	if s.kind == "" {
		s.kind = calls
	}
	if s.name == "" {
		s.name = fmt.Sprintf("%s/%.0f", s.curve, s.x)
	}
	if s.what == "" {
		s.what = fmt.Sprintf("%d callers, %d workers, %d bytes", s.callers, s.workers, s.payload)
	}
	if s.systems == nil {
		s.systems = single
	}
}

// drains are backlogs: of requests that are answered for both, and of notifications for
// ours. The longest is for these alone, as the base would take minutes.
func drains(short bool) (all []scenario) {
	for _, n := range pick(short, []int{1_000}, []int{1_000, 10_000, 100_000, 1_000_000}) {
		all = append(all, scenario{
			name: fmt.Sprintf("%s/%d", byBacklog, n), what: fmt.Sprintf("%s requests are queued, then a worker starts", thousands(int64(n))),
			kind: drain, workers: 1, queued: n, curve: byBacklog, x: float64(n),
			systems: func(s *system) bool {
				return s.per == 1 && s.carrier == "redis" && (s.jobs || n <= 100_000)
			},
		})
	}
	return all
}

func pick[T any](short bool, yes, no T) T {
	if short {
		return yes
	}
	return no
}

// thousands writes a number for people: 100,000.
func thousands(n int64) string {
	digits := fmt.Sprint(n)
	var groups []string
	for len(digits) > 3 {
		groups = append(groups, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	groups = append(groups, digits)
	slices.Reverse(groups)
	return strings.Join(groups, ",")
}
