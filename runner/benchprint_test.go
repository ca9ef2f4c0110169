package runner

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/load"
)

// Bars are as many as can be overlooked, hold every call, and leave out no gap.
func TestBars(t *testing.T) {
	t.Parallel()
	const us, ms = time.Microsecond, time.Millisecond
	for name, tc := range map[string]struct {
		durations []time.Duration
		want      []bar
	}{
		"none":   {nil, nil},
		"one":    {[]time.Duration{500 * us}, []bar{{560 * us, 1}}},
		"narrow": {[]time.Duration{500 * us, 510 * us, 700 * us, 990 * us}, []bar{{560 * us, 2}, {680 * us, 0}, {820 * us, 1}, {ms, 1}}},
		"wide": {
			[]time.Duration{140 * us, 200 * us, 1600 * us, 30 * ms},
			[]bar{{150 * us, 1}, {220 * us, 1}, {330 * us, 0}, {470 * us, 0}, {680 * us, 0}, {ms, 0}, {1500 * us, 0}, {2200 * us, 1}, {3300 * us, 0}, {4700 * us, 0}, {6800 * us, 0}, {10 * ms, 0}, {15 * ms, 0}, {22 * ms, 0}, {33 * ms, 1}},
		},
		"from one end to the other": {
			[]time.Duration{5 * us, 20 * time.Second},
			[]bar{{10 * us, 1}, {100 * us, 0}, {ms, 0}, {10 * ms, 0}, {100 * ms, 0}, {time.Second, 0}, {10 * time.Second, 0}, {100 * time.Second, 1}},
		},
		"beyond all": {[]time.Duration{0, 5 * time.Hour}, []bar{
			{100, 1}, {us, 0}, {10 * us, 0}, {100 * us, 0}, {ms, 0}, {10 * ms, 0}, {100 * ms, 0}, {time.Second, 0},
			{10 * time.Second, 0}, {100 * time.Second, 0}, {1000 * time.Second, 0}, {10_000 * time.Second, 0}, {100_000 * time.Second, 1},
		}},
		"a few far off": {
			slices.Concat([]time.Duration{ms}, slices.Repeat([]time.Duration{95 * ms}, 2000), slices.Repeat([]time.Duration{115 * ms}, 2000), []time.Duration{time.Second, 4 * time.Second}),
			[]bar{{100 * ms, 2001}, {120 * ms, 2000}, {4 * time.Second, 2}},
		},
	} {
		var h load.Histogram
		for _, d := range tc.durations {
			h.Record(d)
		}
		if d := cmp.Diff(tc.want, bars(&h), cmp.AllowUnexported(bar{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	list := []bar{{680 * time.Microsecond, 3}, {time.Millisecond, 20_000}, {1500 * time.Microsecond, 0}, {2200 * time.Microsecond, 10_100}}
	for name, tc := range map[string]struct {
		width  int
		blocks bool
		want   string
	}{
		"a narrow terminal": {40, true, `
UP TO   CALLS   SHARE
680µs       3  <0.01%  ▏
  1ms  20,000  66.44%  ████████████████
1.5ms       0   0.00%
2.2ms  10,100  33.55%  ████████▏
`}, "no room": {10, false, `
UP TO   CALLS   SHARE
680us       3  <0.01%  #
  1ms  20,000  66.44%  ########
1.5ms       0   0.00%
2.2ms  10,100  33.55%  ####
`}, "a pipe": {1 << 20, false, `
UP TO   CALLS   SHARE
680us       3  <0.01%  #
  1ms  20,000  66.44%  ##################################################
1.5ms       0   0.00%
2.2ms  10,100  33.55%  #########################
`},
	} {
		var out strings.Builder
		drawing{width: tc.width, blocks: tc.blocks, span: spans(tc.blocks)}.draw(&out, list)
		if d := cmp.Diff(tc.want, "\n"+out.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(line)) - 1; n >= max(tc.width, 32) {
				t.Errorf("%s: a line is %d characters long", name, n)
			}
		}
	}
}

func TestBenchNumbers(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, d := range []time.Duration{7, 999, 1000, 1_234_567, 999_600, 12_345_678_901, 100 * time.Second} {
		got[d.String()] = spans(true)(d)
	}
	want := map[string]string{
		"7ns": "7ns", "999ns": "999ns", "1µs": "1µs", "1.234567ms": "1.23ms", "999.6µs": "1ms", "12.345678901s": "12.3s", "1m40s": "1m40s",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("durations (-want +got):\n%s", d)
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -100: "-100", -1000: "-1,000"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is shown as %q, want %q", n, got, want)
		}
	}
	for r, want := range map[float64]string{0: "0.00", .126: "0.13", 99.5: "99.50", 1234.5: "1,235"} {
		if got := rate(r); got != want {
			t.Errorf("%v is shown as %q, want %q", r, got, want)
		}
	}
}

func TestSpeaksUTF8(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]bool{
		"": false, "LANG=C": false, "LANG=C.UTF-8": true, "LANG=de_DE.utf8": true, "LC_ALL=C LANG=C.UTF-8": false,
		"LC_CTYPE=en_US.UTF-8 LANG=C": true, "LC_ALL= LANG=C.UTF-8": true, "LANG=de_DE.ISO-8859-1": false,
	} {
		env := map[string]string{}
		for pair := range strings.FieldsSeq(setting) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		if got := speaksUTF8(func(name string) string { return env[name] }); got != want {
			t.Errorf("%s: %v", setting, got)
		}
	}
}
