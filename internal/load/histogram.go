package load

import (
	"math"
	"math/bits"
	"time"
)

// A Histogram counts durations in buckets whose width grows with what they hold,
// as HdrHistogram does: up to 127 ns each nanosecond has its own, from there on
// every power of two is cut into 64. So a quantile is never too low, and at most
// 1/64 (1.6 %) too high. All beyond 18 minutes shares the last bucket. The zero
// value is ready; its size is fixed, about 18 KB, and nothing allocates. It is not
// safe for concurrent use.
type Histogram struct {
	counts   [buckets]int64
	total    int64
	min, max time.Duration // exact; of an empty histogram 0
}

const (
	stepBits = 6 // every power of two is cut into 64 steps
	steps    = 1 << stepBits
	rangeLog = 40 // 2^40 ns are 18 minutes, longer than anybody waits for a reply
	buckets  = (rangeLog - stepBits + 1) * steps
)

// Record counts one duration. A negative one counts as 0.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	if h.total == 0 || d < h.min {
		h.min = d
	}
	h.max = max(h.max, d)
	h.counts[bucketOf(d)]++
	h.total++
}

// Merge adds everything that other counted.
func (h *Histogram) Merge(other *Histogram) {
	if other.total == 0 {
		return
	}
	if h.total == 0 || other.min < h.min {
		h.min = other.min
	}
	h.max = max(h.max, other.max)
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() int64 { return h.total }

// Min returns the shortest duration, exactly; 0 if there is none.
func (h *Histogram) Min() time.Duration { return h.min }

// Max returns the longest duration, exactly; 0 if there is none.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns a duration that the share q (0 to 1) of all durations did not
// exceed: 0.99 is the 99th percentile, 1 the maximum. 0 if nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(h.total)))
	rank = min(max(rank, 1), h.total)
	var seen int64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(upperEdge(i), h.max)
		}
	}
	return h.max
}

// AtMost returns how many durations were certainly no longer than d: those that
// share a bucket with d and longer ones do not count, which are at most those within
// 1/64 of d. Differences of it make the bars of a drawing, whatever its axis is.
func (h *Histogram) AtMost(d time.Duration) int64 {
	switch {
	case d < h.min:
		return 0
	case d >= h.max:
		return h.total
	}
	end := bucketOf(d)
	if upperEdge(end) <= d {
		end++
	}
	var n int64
	for _, c := range h.counts[:end] {
		n += c
	}
	return n
}

func bucketOf(d time.Duration) int {
	v := uint64(d) //nolint:gosec // Record has seen to it that it is not negative
	if v < steps {
		return int(v)
	}
	if v >= 1<<rangeLog {
		return buckets - 1
	}
	shift := bits.Len64(v) - stepBits - 1  // v>>shift lies between steps and 2*steps-1
	return shift<<stepBits + int(v>>shift) //nolint:gosec // v>>shift is small
}

// upperEdge returns the longest duration that falls into a bucket.
func upperEdge(bucket int) time.Duration {
	switch {
	case bucket < 2*steps:
		return time.Duration(bucket)
	case bucket == buckets-1:
		return math.MaxInt64
	}
	shift := bucket>>stepBits - 1
	return time.Duration(bucket-shift<<stepBits+1)<<shift - 1
}
