package runner

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/internal/load"
)

// print shows what was measured to people.
func (b *benchmark) print(a *app) error {
	r, span := &b.report, spans(speaksUTF8(os.Getenv))
	var page bytes.Buffer
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&page, "%-9s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&page, "%s.%s answers %s\n", b.service, b.method, shorten(printable(string(b.answer)), 200))
	fmt.Fprintf(&page, "%s\n\n", b.headline())
	line("calls/s", "%s", rate(r.Rate()))
	line("calls", "%s", grouped(r.Calls))
	if r.Late > r.Calls/100 { // a few are always under way; many of them make calls/s too low
		line("late", "%s more, under way at the end", grouped(r.Late))
	}
	failed := grouped(r.Failures())
	if r.Failures() > 0 && a.colour() {
		failed = "\x1b[1;31m" + failed + "\x1b[0m"
	}
	line("failed", "%s", failed)
	for _, cause := range b.failures() {
		line("", "%s  %s", grouped(cause.Calls), cause.Cause)
	}
	if r.Latency.Count() > 0 {
		fmt.Fprintln(&page)
		for _, p := range []struct {
			label string
			q     float64
		}{{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}, {"max", 1}} {
			line(p.label, "%s", span(r.Latency.Quantile(p.q)))
		}
		fmt.Fprintln(&page)
		drawing{width: columns(a.sys.Stdout), blocks: speaksUTF8(os.Getenv), span: span}.draw(&page, bars(&r.Latency))
	}
	_, err := page.WriteTo(a.sys.Stdout)
	return err
}

// headline says under which conditions was measured.
func (b *benchmark) headline() string {
	callers := "1 caller"
	if b.plan.Callers > 1 {
		callers = fmt.Sprintf("%s callers", grouped(int64(b.plan.Callers)))
	}
	text := fmt.Sprintf("%s over %s, %s", callers, b.broker.title(), b.report.Elapsed.Round(time.Millisecond))
	if b.plan.Warmup > 0 {
		text += fmt.Sprintf(" after a warm-up of %s", b.plan.Warmup)
	}
	if b.interrupted {
		text += ", interrupted"
	}
	return text
}

// A failure is one cause, and how many calls it made fail.
type failure struct {
	Cause    string `json:"cause"`
	Calls    int64  `json:"calls"`
	Answered bool   `json:"answered"` // the service said no, rather than nothing
}

// failures returns the causes, the most frequent first.
func (b *benchmark) failures() []failure {
	list := make([]failure, 0, len(b.report.Failed))
	for _, text := range slices.Sorted(maps.Keys(b.report.Failed)) {
		list = append(list, failure{text, b.report.Failed[text], b.causes.known[text] != nil})
	}
	slices.SortStableFunc(list, func(x, y failure) int { return cmp.Compare(y.Calls, x.Calls) })
	return list
}

// The JSON of "bench". Its names are fixed: scripts compare runs by them.
type benchJSON struct {
	Service        string           `json:"service"`
	Method         string           `json:"method"`
	Transport      string           `json:"transport"`
	Answer         json.RawMessage  `json:"answer"` // of the first call
	Callers        int              `json:"callers"`
	WarmupSeconds  float64          `json:"warmup_seconds"`
	ElapsedSeconds float64          `json:"elapsed_seconds"` // without the warm-up
	Interrupted    bool             `json:"interrupted"`
	CallsPerSecond float64          `json:"calls_per_second"`
	Calls          int64            `json:"calls"`
	LateCalls      int64            `json:"late_calls"` // under way at the end; in latency, not in calls
	FailedCalls    int64            `json:"failed_calls"`
	Failures       []failure        `json:"failures"`
	Latency        *latencyJSON     `json:"latency"` // null: no call succeeded
	Histogram      []histogramEntry `json:"histogram"`
}

type latencyJSON struct {
	Min  float64 `json:"min_seconds"`
	P50  float64 `json:"p50_seconds"`
	P90  float64 `json:"p90_seconds"`
	P99  float64 `json:"p99_seconds"`
	P999 float64 `json:"p999_seconds"`
	Max  float64 `json:"max_seconds"`
}

type histogramEntry struct {
	UpTo  float64 `json:"up_to_seconds"` // and longer than the entry before
	Calls int64   `json:"calls"`
}

// printJSON shows what was measured to programs.
func (b *benchmark) printJSON(a *app) error {
	r := &b.report
	out := benchJSON{
		Service: b.service, Method: b.method, Transport: b.broker.transport, Answer: b.answer, Callers: b.plan.Callers,
		WarmupSeconds: b.plan.Warmup.Seconds(), ElapsedSeconds: r.Elapsed.Seconds(), Interrupted: b.interrupted,
		CallsPerSecond: r.Rate(), Calls: r.Calls, LateCalls: r.Late, FailedCalls: r.Failures(),
		Failures: b.failures(), Histogram: []histogramEntry{},
	}
	if h := &r.Latency; h.Count() > 0 {
		at := func(q float64) float64 { return h.Quantile(q).Seconds() }
		out.Latency = &latencyJSON{Min: h.Min().Seconds(), P50: at(.5), P90: at(.9), P99: at(.99), P999: at(.999), Max: at(1)}
		for _, bar := range bars(h) {
			out.Histogram = append(out.Histogram, histogramEntry{bar.upTo.Seconds(), bar.calls})
		}
	}
	return printJSON(a.sys.Stdout, out)
}

// spans returns what shows durations with three digits.
func spans(micro bool) func(time.Duration) string {
	return func(d time.Duration) string {
		unit := time.Duration(1)
		for d/unit >= 1000 {
			unit *= 10
		}
		text := d.Round(unit).String()
		if !micro {
			text = strings.Replace(text, "µ", "u", 1)
		}
		return text
	}
}

// rate shows calls per second: whole ones, and of a slow method two digits more.
func rate(perSecond float64) string {
	if perSecond < 100 {
		return strconv.FormatFloat(perSecond, 'f', 2, 64)
	}
	return grouped(int64(perSecond + .5))
}

// grouped shows a number of many digits so that it can be read.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// A bar of a histogram holds the calls that took longer than the bar before it,
// and no longer than upTo.
type bar struct {
	upTo  time.Duration
	calls int64
}

// bars cuts a histogram where the fewest bars show the most: at as many round steps
// per power of ten as make at most 16 of them. One call in a thousand at either end
// gets no step: those few, far off, would leave one bar for all the others.
func bars(h *load.Histogram) (list []bar) {
	const most, few = 16, 1000
	total := h.Count()
	for _, decade := range [][]int64{
		{100, 120, 150, 180, 220, 270, 330, 390, 470, 560, 680, 820}, // resistors come in these
		{100, 150, 220, 330, 470, 680},
		{100, 200, 500},
		{100},
	} {
		list = list[:0]
		var below int64
		for unit := int64(1); total-below > total/few; unit *= 10 {
			for _, step := range decade {
				upTo := time.Duration(step * unit)
				if n := h.AtMost(upTo); n > total/few && total-below > total/few {
					list = append(list, bar{upTo, n - below})
					below = n
				}
			}
		}
		if below < total {
			list = append(list, bar{h.Max(), total - below})
		}
		if len(list) <= most {
			break
		}
	}
	return list
}
