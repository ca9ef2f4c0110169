package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestBuckets: every duration lies in one bucket, buckets touch, and none is wider
// than 1/64 of what it holds.
func TestBuckets(t *testing.T) {
	t.Parallel()
	lower := time.Duration(0)
	for i := range buckets - 1 {
		upper := upperEdge(i)
		if upper < lower || float64(upper) > float64(lower)*(1+1.0/steps) {
			t.Fatalf("bucket %d reaches from %d to %d ns", i, lower, upper)
		}
		if got := [2]int{bucketOf(lower), bucketOf(upper)}; got != [2]int{i, i} {
			t.Fatalf("%d and %d ns lie in buckets %v, want both in %d", lower, upper, got, i)
		}
		lower = upper + 1
	}
	for _, d := range []time.Duration{lower, time.Hour, math.MaxInt64} {
		if got := bucketOf(d); got != buckets-1 {
			t.Errorf("%v lies in bucket %d, want the last, %d", d, got, buckets-1)
		}
	}
}

// TestQuantiles compares with a sorted list of the same durations.
func TestQuantiles(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 2, 3, 100, 10_000} {
		var whole, left, right Histogram
		all := make([]time.Duration, size)
		for i := range all {
			all[i] = time.Duration(math.Exp(chance.Float64() * 30)) // 1 ns to 3 hours
			whole.Record(all[i])
			if i%3 == 0 {
				left.Record(all[i])
			} else {
				right.Record(all[i])
			}
		}
		slices.Sort(all)
		left.Merge(&right)
		if left != whole {
			t.Errorf("%d durations: two halves merged differ from the whole", size)
		}
		if whole.Count() != int64(size) || whole.Min() != all[0] || whole.Max() != all[size-1] {
			t.Errorf("%d durations from %v to %v: got %d from %v to %v", size, all[0], all[size-1], whole.Count(), whole.Min(), whole.Max())
		}
		for _, q := range []float64{0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
			want := all[max(int(math.Ceil(q*float64(size))), 1)-1]
			got := whole.Quantile(q)
			if want < 1<<rangeLog && (got < want || float64(got) > float64(want)*(1+1.0/steps)) || got > whole.Max() {
				t.Errorf("%d durations: quantile %v is %v, want %v or up to 1/64 more", size, q, got, want)
			}
		}
	}
}

func TestAtMost(t *testing.T) {
	t.Parallel()
	var h Histogram
	for _, d := range []time.Duration{-1, 5, 100, 1000, 1000, 1_000_000, time.Hour} {
		h.Record(d)
	}
	got := map[time.Duration]int64{}
	for _, d := range []time.Duration{-1, 0, 4, 5, 99, 100, 999, 1000, 1007, 1023, 500_000, 1_020_000, time.Minute, 40 * time.Minute, time.Hour, math.MaxInt64} {
		got[d] = h.AtMost(d)
	}
	want := map[time.Duration]int64{
		-1: 0, 0: 1, 4: 1, 5: 2, 99: 2, 100: 3, 999: 3, 1000: 3, 1007: 5, 1023: 5, 500_000: 5, 1_020_000: 6, time.Minute: 6, 40 * time.Minute: 6, time.Hour: 7, math.MaxInt64: 7,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("durations counted up to (-want +got):\n%s", diff)
	}
}

func TestEmptyHistogram(t *testing.T) {
	t.Parallel()
	var h, other Histogram
	h.Merge(&other)
	if h.Count() != 0 || h.Min() != 0 || h.Max() != 0 || h.Quantile(0.5) != 0 || h.AtMost(time.Hour) != 0 {
		t.Errorf("an empty histogram knows of durations: %d, %v to %v", h.Count(), h.Min(), h.Max())
	}
	other.Record(7)
	h.Merge(&other)
	if h != other {
		t.Error("merged into an empty one, a histogram is another")
	}
}

func TestRecordDoesNotAllocate(t *testing.T) { // not in parallel: it counts what all allocate
	var h Histogram
	if n := testing.AllocsPerRun(1000, func() { h.Record(123 * time.Microsecond) }); n != 0 {
		t.Errorf("Record allocates %v times", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	var h Histogram
	for i := 0; b.Loop(); i++ {
		h.Record(time.Duration(i))
	}
}
