package rabbitmq

import (
	"math"
	"testing"
	"time"
)

func TestRung(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ wait, want time.Duration }{
		{math.MinInt64, time.Second},
		{-time.Hour, time.Second},
		{0, time.Second},
		{time.Millisecond, time.Second},
		{time.Second, time.Second},
		{4*time.Second - 1, time.Second},
		{4 * time.Second, 4 * time.Second},
		{20 * time.Second, 15 * time.Second},
		{59 * time.Second, 15 * time.Second},
		{time.Minute, time.Minute},
		{14 * time.Minute, 4 * time.Minute},
		{15 * time.Minute, 15 * time.Minute},
		{3 * time.Hour, time.Hour},
		{5 * time.Hour, 4 * time.Hour},
		{16 * time.Hour, 16 * time.Hour},
		{math.MaxInt64, 16 * time.Hour},
	} {
		if got := rung(test.wait); got != test.want {
			t.Errorf("rung(%v) = %v, want %v", test.wait, got, test.want)
		}
	}
}

// A wait is over after few moves, and no later than one rung after its end.
func TestLadder(t *testing.T) {
	t.Parallel()
	for wait := time.Duration(1); wait < 24*time.Hour; wait += wait/7 + 1 {
		left, moves := wait, 0
		for left > 0 {
			left -= rung(left)
			moves++
		}
		if left <= -time.Second || moves > 3*len(rungs()) {
			t.Fatalf("a wait of %v takes %d moves and ends %v late", wait, moves, -left)
		}
	}
}
