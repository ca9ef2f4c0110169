package main

import (
	"slices"
)

// A sample is what one run of a system has found.
type sample struct {
	Scenario string  `json:"scenario"`
	System   string  `json:"system"`
	Round    int     `json:"round"`
	Outcome  outcome `json:"outcome"`
}

// results are all samples of a bench, in the order of their runs.
type results []sample

// of returns what a system has found in a scenario, by round.
func (r results) of(scenario, system string) (found []outcome) {
	for _, s := range r {
		if s.Scenario == scenario && s.System == system {
			found = append(found, s.Outcome)
		}
	}
	return found
}

// A spread is the middle of several figures, and how far they lie apart.
type spread struct{ min, median, max float64 }

func spreadOf(figures []float64) (s spread, ok bool) {
	if len(figures) == 0 {
		return s, false
	}
	figures = slices.Sorted(slices.Values(figures))
	n := len(figures)
	return spread{figures[0], (figures[(n-1)/2] + figures[n/2]) / 2, figures[n-1]}, true
}

// figures applies a measure to each outcome.
func figures(found []outcome, measure func(outcome) float64) []float64 {
	out := make([]float64, len(found))
	for i, f := range found {
		out[i] = measure(f)
	}
	return out
}

// median returns the middle of a measure over all rounds, 0 if there was none.
func (r results) median(scenario, system string, measure func(outcome) float64) float64 {
	s, _ := spreadOf(figures(r.of(scenario, system), measure))
	return s.median
}

// ratio compares a measure of two systems: the median of the ratios of each round, so that
// what a busy minute did to both of them cancels out.
func (r results) ratio(scenario, system, base string, measure func(outcome) float64) (spread, bool) {
	ours, theirs := r.of(scenario, system), r.of(scenario, base)
	var ratios []float64
	for i := range min(len(ours), len(theirs)) {
		if below := measure(theirs[i]); below > 0 {
			ratios = append(ratios, measure(ours[i])/below)
		}
	}
	return spreadOf(ratios)
}

// cost is the CPU seconds that 10,000 requests take one kind of process.
func cost(kind string) func(outcome) float64 {
	return func(o outcome) float64 {
		if o.Calls == 0 {
			return 0
		}
		return o.CPU[kind] * 10_000 / float64(o.Calls)
	}
}

// totalCost is that of all processes together.
func totalCost(o outcome) (sum float64) {
	for kind := range o.CPU {
		sum += cost(kind)(o)
	}
	return sum
}

func failures(found []outcome) (n int64) {
	for _, f := range found {
		for _, times := range f.Failed {
			n += times
		}
	}
	return n
}
