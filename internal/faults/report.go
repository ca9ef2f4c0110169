package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A report is what a scenario has to say: figures, and what was wanted of them.
type report struct {
	scenario scenario
	wire     *wire
	seed     uint64
	took     time.Duration

	mu      sync.Mutex // guards what follows
	figures []figure
	failed  []string
	wanted  int
}

type figure struct{ name, value string }

func newReport(s scenario, on *wire, seed uint64) *report {
	return &report{scenario: s, wire: on, seed: seed}
}

// name tells the scenario and what it ran on.
func (r *report) name() string { return r.wire.name + "/" + r.scenario.name }

// figure adds a line. Durations are shown to the millisecond.
func (r *report) figure(name string, values ...any) {
	var words []string
	for _, v := range values {
		if d, ok := v.(time.Duration); ok {
			v = d.Round(time.Millisecond)
		}
		words = append(words, fmt.Sprint(v))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.figures = append(r.figures, figure{name, strings.Join(words, " ")})
}

// want notes a demand on the figures, and that it was not met.
func (r *report) want(ok bool, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted++
	if !ok {
		r.failed = append(r.failed, fmt.Sprintf(format, args...))
	}
}

// zero wants a count to be 0, and shows it.
func (r *report) zero(name string, n int) {
	r.want(n == 0, "%s is %d, want 0", name, n)
}

func (r *report) ok() bool { return len(r.failed) == 0 }

func (r *report) verdict() string {
	if r.ok() {
		return "PASS"
	}
	return "FAIL"
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\n== %s: %s (seed %d)\n", r.name(), r.scenario.what, r.seed)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.figures {
		fmt.Fprintln(t, "   "+f.name+"\t"+f.value)
	}
	fmt.Fprintln(t, "   duration\t"+r.took.Round(time.Second/10).String())
	_ = t.Flush()
	fmt.Fprintf(out, "%s %s: %d of %d demands met\n", r.verdict(), r.name(), r.wanted-len(r.failed), r.wanted)
	for _, f := range r.failed {
		fmt.Fprintf(out, "   FAIL: %s\n", f)
	}
}

// summarize prints the table and returns how many scenarios failed.
func summarize(out io.Writer, b *bench, reports []*report) (bad int) {
	fmt.Fprintf(out, "\n== summary (seed %d)\n", b.seed)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range reports {
		if r == nil {
			continue
		}
		if !r.ok() {
			bad++
		}
		fmt.Fprintln(t, strings.Join([]string{r.verdict(), r.name(), r.took.Round(time.Second / 10).String(), strings.Join(r.failed, "; ")}, "\t"))
	}
	_ = t.Flush()
	return bad
}
