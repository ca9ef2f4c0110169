package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report prints all tables, and writes what was asked for besides. Its error says which
// calls failed: figures of calls that fail mean nothing.
func (b *bench) report(file, plots string) error {
	fmt.Fprintf(b.out, "\n%s on %s, %d processors; %s\n",
		runtime.Version(), runtime.GOARCH, runtime.NumCPU(), strings.Join(b.brokerVersions(), ", "))
	if b.short {
		fmt.Fprintln(b.out, "This was the short form, which shows that everything works: its figures mean nothing.")
	}
	fmt.Fprintln(b.out)
	all := scenarios(b.short)
	var drawn []string
	for _, sc := range all {
		switch {
		case sc.kind == idle:
			fmt.Fprint(b.out, idleTable(b.results, sc))
		case sc.curve == "" || sc.name == drain100000:
			fmt.Fprint(b.out, scenarioTable(b.results, sc))
		}
		if sc.curve != "" && !slices.Contains(drawn, sc.curve) {
			drawn = append(drawn, sc.curve)
			fmt.Fprint(b.out, curveTable(b.results, all, sc.curve))
		}
	}
	if !b.short {
		fmt.Fprint(b.out, goalTable(b.results))
	}
	if file != "" {
		if err := b.save(file); err != nil {
			return err
		}
	}
	if plots != "" {
		if err := b.plot(plots, all, drawn); err != nil {
			return err
		}
	}
	return b.results.fault()
}

// fault returns an error that names the first calls that failed.
func (r results) fault() error {
	for _, s := range r {
		for text, n := range s.Outcome.Failed {
			return fmt.Errorf("%d calls of %s/%s failed: %s", n, s.Scenario, s.System, text)
		}
	}
	return nil
}

func (b *bench) plot(dir string, all []scenario, curves []string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, curve := range curves {
		p := curvePlot(b.results, all, curve)
		if len(p.lines) == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, curve+".svg"), []byte(p.svg()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// present returns the systems that were measured in any of the scenarios.
func present(r results, some ...scenario) (found []*system) {
	for _, s := range systems() {
		if slices.ContainsFunc(some, func(sc scenario) bool { return len(r.of(sc.name, s.name)) > 0 }) {
			found = append(found, s)
		}
	}
	return found
}

// scenarioTable shows everything about one scenario, as Markdown; "" if it did not run.
func scenarioTable(r results, sc scenario) string {
	var rows [][]string
	rounds := 0
	for _, s := range present(r, sc) {
		found := r.of(sc.name, s.name)
		rounds = max(rounds, len(found))
		rate, _ := spreadOf(figures(found, outcome.rate))
		cpu, _ := spreadOf(figures(found, totalCost))
		row := []string{
			s.name, whole(rate.min), "**" + whole(rate.median) + "**", whole(rate.max),
			times(r.ratio(sc.name, s.name, s.base, outcome.rate)), times(r.ratio(sc.name, s.name, natsName, outcome.rate)),
			duration(r.median(sc.name, s.name, func(o outcome) float64 { return float64(o.P50) })),
			duration(r.median(sc.name, s.name, func(o outcome) float64 { return float64(o.P99) })),
			parts(r, sc.name, s.name), seconds(cpu.median), times(r.ratio(sc.name, s.name, s.base, totalCost)),
		}
		if n := failures(found); n > 0 {
			row[0] += fmt.Sprintf(" (%d calls failed)", n)
		}
		rows = append(rows, row)
	}
	return titled(fmt.Sprintf("%s: %s (rounds: %d)", sc.name, sc.what, rounds), markdown([]string{
		"system", "calls/s, min", "median", "max", "× base", "× NATS", "p50", "p99",
		"CPU s per 10,000: caller + workers + broker", "in all", "× base",
	}, rows))
}

func parts(r results, scenario, system string) string {
	var each []string
	for _, kind := range []string{"caller", "workers", "broker"} {
		each = append(each, seconds(r.median(scenario, system, cost(kind))))
	}
	return strings.Join(each, " + ")
}

// curveTable shows how rate and 99th percentile change along a curve, as Markdown.
func curveTable(r results, all []scenario, curve string) string {
	points := pointsOf(all, curve)
	some := present(r, points...)
	header := []string{strings.TrimRight(curve, "-0123456789")}
	for _, s := range some {
		header = append(header, s.name)
	}
	var rows [][]string
	for _, p := range points {
		if len(present(r, p)) == 0 {
			continue
		}
		row := []string{thousands(int64(p.x))}
		for _, s := range some {
			cell := "–"
			if len(r.of(p.name, s.name)) > 0 {
				cell = whole(r.median(p.name, s.name, outcome.rate))
				if p99 := r.median(p.name, s.name, func(o outcome) float64 { return float64(o.P99) }); p99 > 0 {
					cell += " (" + duration(p99) + ")"
				}
				if ratio, ok := r.ratio(p.name, s.name, s.base, outcome.rate); ok {
					cell += " " + times(ratio, ok)
				}
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	if len(some) == 0 {
		return ""
	}
	return titled("Calls per second by "+curveName(curve)+", 99th percentile, × base", markdown(header, rows))
}

func pointsOf(all []scenario, curve string) (points []scenario) {
	for _, sc := range all {
		if sc.curve == curve {
			points = append(points, sc)
		}
	}
	return points
}

// idleTable shows what doing nothing costs, as Markdown.
func idleTable(r results, sc scenario) string {
	var rows [][]string
	for _, s := range present(r, sc) {
		for _, o := range r.of(sc.name, s.name) {
			var each []string
			sum := 0.0
			for _, name := range sortedByRate(o.Idle.Commands) {
				sum += o.Idle.Commands[name]
				each = append(each, fmt.Sprintf("%s %.1f", name, o.Idle.Commands[name]))
			}
			rows = append(rows, []string{
				s.name, fmt.Sprint(o.Idle.Workers), fmt.Sprintf("%.2f %%", 100*o.CPU["workers"]/o.Seconds),
				fmt.Sprintf("%.2f %%", 100*o.CPU["broker"]/o.Seconds), fmt.Sprintf("%.1f MB", float64(o.Idle.Resident)/1e6),
				fmt.Sprintf("%.1f", sum), strings.Join(each, ", "),
			})
		}
	}
	return titled("idle: "+sc.what, markdown([]string{
		"system", "workers", "of a core, all workers", "of a core, broker", "memory of the largest", "commands/s, all workers", "of which",
	}, rows))
}

func sortedByRate(rates map[string]float64) (names []string) {
	for name := range rates {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if rates[a] != rates[b] {
			return int(rates[b]*1000) - int(rates[a]*1000)
		}
		return strings.Compare(a, b)
	})
	return names
}

func titled(title, table string) string {
	if table == "" {
		return ""
	}
	return "### " + title + "\n\n" + table + "\n"
}

// markdown is a table whose first column is text and whose others are figures; "" if it
// has no rows.
func markdown(header []string, rows [][]string) string {
	if len(rows) == 0 {
		return ""
	}
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(header)
	line(append([]string{"---"}, slices.Repeat([]string{"--:"}, len(header)-1)...))
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

func whole(f float64) string {
	if f < 100 {
		return fmt.Sprintf("%.1f", f)
	}
	return thousands(int64(f + 0.5))
}

func times(s spread, ok bool) string {
	if !ok {
		return "–"
	}
	return fmt.Sprintf("×%.2f", s.median)
}

func seconds(f float64) string {
	if f < 1 {
		return fmt.Sprintf("%.3f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// duration writes nanoseconds for people, to three digits.
func duration(ns float64) string {
	switch d := time.Duration(ns); {
	case d == 0:
		return "–"
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(100 * time.Microsecond).String()
	}
}
