package main

import "fmt"

// A goal is what was set out to be reached: a ratio that must hold on a noisy machine,
// and one that is aimed at. No run fails for it, since no time on a machine that others
// use proves anything.
type goal struct {
	what       string
	scenario   string
	system     string
	base       string
	floor, aim float64
	measure    func(outcome) float64 // nil: the rate
	atMost     bool                  // the less the better
}

// drain100000 is the backlog that the goals speak of.
const drain100000 = byBacklog + "/100000"

func goals() []goal {
	return []goal{
		{what: "Redis S1", scenario: "S1", system: "redis-ours", base: "redis-base", floor: 1, aim: 1.4},
		{what: "Redis S2", scenario: "S2", system: "redis-ours", base: "redis-base", floor: 4, aim: 6},
		{what: "Redis S3", scenario: "S3", system: "redis-ours", base: "redis-base", floor: 6, aim: 9},
		{what: "Redis CPU per call S2", scenario: "S2", system: "redis-ours", base: "redis-base", floor: 1. / 4, aim: 1. / 6, measure: totalCost, atMost: true},
		{what: "Redis S1 against NATS", scenario: "S1", system: "redis-ours", base: natsName, floor: 0.7, aim: 1},
		{what: "Redis S2 against NATS", scenario: "S2", system: "redis-ours", base: natsName, floor: 1, aim: 1.5},
		{what: "Redis S3 against NATS", scenario: "S3", system: "redis-ours", base: natsName, floor: 1, aim: 1.5},
		{what: "Redis, draining 100,000 requests", scenario: drain100000, system: "redis-ours", base: "redis-base", floor: 6, aim: 10},
		{what: "Redis, draining 100,000 jobs", scenario: drain100000, system: "redis-jobs", base: "redis-base", floor: 6, aim: 10},
		{what: "Redis, 100 KB", scenario: byPayload + "/100000", system: "redis-ours", base: "redis-base", floor: 1, aim: 2.5},
		{what: "Redis, 1 MB", scenario: byPayload + "/1000000", system: "redis-ours", base: "redis-base", floor: 1, aim: 3},
		{what: "RabbitMQ S1", scenario: "S1", system: "rabbitmq-ours", base: "rabbitmq-base", floor: 1, aim: 1.1},
		{what: "RabbitMQ S2", scenario: "S2", system: "rabbitmq-ours", base: "rabbitmq-base", floor: 1.25, aim: 1.6},
		{what: "RabbitMQ S3", scenario: "S3", system: "rabbitmq-ours", base: "rabbitmq-base", floor: 1.2, aim: 1.5},
		{what: "HTTP S1", scenario: "S1", system: "http-ours", base: "http-base", floor: 0.9, aim: 1},
		{what: "HTTP S2", scenario: "S2", system: "http-ours", base: "http-base", floor: 0.9, aim: 1},
		{what: "HTTP S3", scenario: "S3", system: "http-ours", base: "http-base", floor: 0.9, aim: 1},
		{what: "HTTP, batches of 32", scenario: "batch", system: "http-batch", base: "http-base", floor: 3, aim: 3.5},
	}
}

// goalTable says what of that this run has reached, as Markdown.
func goalTable(r results) string {
	var rows [][]string
	add := func(what string, found spread, floor, aim float64, atMost bool) {
		verdict := "**below the floor**"
		switch m := found.median; {
		case m >= aim && !atMost, m <= aim && atMost:
			verdict = "aim"
		case m >= floor && !atMost, m <= floor && atMost:
			verdict = "floor"
		}
		rows = append(rows, []string{
			what, fmt.Sprintf("%.2f (%.2f to %.2f)", found.median, found.min, found.max),
			fmt.Sprintf("%.2f", floor), fmt.Sprintf("%.2f", aim), verdict,
		})
	}
	for _, g := range goals() {
		if g.measure == nil {
			g.measure = outcome.rate
		}
		if found, ok := r.ratio(g.scenario, g.system, g.base, g.measure); ok {
			add(g.what, found, g.floor, g.aim, g.atMost)
		}
	}
	if share, ok := r.shareOfPeak(); ok {
		add("Redis, 1,024 callers, share of the peak", spread{share, share, share}, 0.7, 0.7, false)
	}
	few, many := r.median(byBacklog+"/10000", "redis-jobs", outcome.rate), r.median(byBacklog+"/1000000", "redis-jobs", outcome.rate)
	if few > 0 && many > 0 {
		flat := many / few
		add("Redis, rate with 1,000,000 jobs queued against 10,000", spread{flat, flat, flat}, 0.8, 1, false)
	}
	return titled("Goals: ratio (each round's from … to)", markdown([]string{"what", "ratio", "floor", "aim", "reached"}, rows))
}

// shareOfPeak is the rate at 1,024 callers by the best along the curve.
func (r results) shareOfPeak() (float64, bool) {
	peak, last := 0.0, 0.0
	for _, p := range pointsOf(scenarios(false), byCallers) {
		rate := r.median(p.name, "redis-ours", outcome.rate)
		peak = max(peak, rate)
		if p.callers == 1024 {
			last = rate
		}
	}
	return last / max(peak, 1), last > 0
}
