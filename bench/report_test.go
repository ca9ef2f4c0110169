package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustCompile(t *testing.T, pattern string) *regexp.Regexp {
	t.Helper()
	re, err := regexp.Compile("^(" + pattern + ")")
	if err != nil {
		t.Fatal(err)
	}
	return re
}

func some() results {
	var r results
	for _, sc := range scenarios(false) {
		if sc.curve == byCallers {
			r = append(r, sample{sc.name, "redis-base", 0, ran(10_000, 1)}, sample{sc.name, "redis-ours", 0, ran(1000*int64(sc.callers), 1)})
		}
	}
	return r
}

func TestCurveTable(t *testing.T) {
	t.Parallel()
	table := curveTable(some(), scenarios(false), byCallers)
	for _, want := range []string{
		"| callers | redis-base | redis-ours |\n| --- | --: | --: |\n",
		"| 1,024 | 10,000 (3ms) | 1,024,000 (3ms) ×102.40 |\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in:\n%s", want, table)
		}
	}
}

// TestGoals wants the verdict to be that of the median, and what is better to be more or
// less as the goal says.
func TestGoals(t *testing.T) {
	t.Parallel()
	r := results{
		{"S2", "redis-base", 0, ran(10_000, 1)}, {"S2", "redis-ours", 0, ran(50_000, 0.2)},
		{"S1", "redis-base", 0, ran(10_000, 1)}, {"S1", "redis-ours", 0, ran(9_000, 1)},
	}
	table := goalTable(r)
	for _, want := range []string{
		"| Redis S1 | 0.90 (0.90 to 0.90) | 1.00 | 1.40 | **below the floor** |",
		"| Redis S2 | 5.00 (5.00 to 5.00) | 4.00 | 6.00 | floor |",
		"| Redis CPU per call S2 | 0.12 (0.12 to 0.12) | 0.25 | 0.17 | aim |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in:\n%s", want, table)
		}
	}
	if n := strings.Count(table, "\n"); n != 8 { // title, header, rule, three rows, two blank ones
		t.Errorf("%d lines, want none for what did not run:\n%s", n, table)
	}
}

// TestPlot wants a picture that is XML, small, and has both ends of the data in its corners.
func TestPlot(t *testing.T) {
	t.Parallel()
	p := curvePlot(some(), scenarios(false), byCallers)
	svg := p.svg()
	if len(svg) > 20_000 {
		t.Errorf("%d bytes, want less than 20 kB", len(svg))
	}
	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("no XML: %v", err)
		}
	}
	x, y := p.axes()
	for _, c := range []struct{ got, want float64 }{
		{x.at(1), plotLeft}, {x.at(1024), plotLeft + innerWidth}, {x.at(32), plotLeft + innerWidth/2},
		{y.at(1_000), plotTop + innerHeight}, {y.at(10_000_000), plotTop},
	} {
		if math.Abs(c.got-c.want) > 1e-6 {
			t.Errorf("a point is at %v, want %v", c.got, c.want)
		}
	}
	for _, want := range []string{`<path class="redis d"`, `<path class="redis" d="M70.0 `, ">redis-ours</text>", ">1,024</text>"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in the picture", want)
		}
	}
}

func TestRecordIsAddedTo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "results.json")
	first := bench{brokers: &brokers{versions: []string{"Redis 7"}}, results: some()}
	if err := first.save(file); err != nil {
		t.Fatal(err)
	}
	second := bench{brokers: &brokers{versions: []string{"Redis 7"}}}
	if err := second.add(file); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.results, second.results); diff != "" {
		t.Errorf("results (-saved +read):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Redis 7"}, second.brokerVersions()); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

// Two workers that start together get two ports, though neither listens yet: one that the
// system gives again is not given again here.
func TestFreeAddressesDiffer(t *testing.T) {
	t.Parallel()
	b := &bench{given: make(map[string]bool)}
	seen := make(map[string]bool)
	for range 2_000 {
		address, err := b.freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if seen[address] {
			t.Fatalf("%s is given twice", address)
		}
		seen[address] = true
	}
}
