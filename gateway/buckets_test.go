package gateway

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// Callers who come and go leave nothing behind, and however many there are at a time,
// the memory for them is bounded.
func TestBucketsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRates(10, 10)
		most := 0
		for i := range 20_000 {
			if wait := r.take(strconv.Itoa(i), 1); wait != 0 {
				t.Fatalf("the first call of caller %d has to wait %v", i, wait)
			}
			most = max(most, len(r.buckets))
			time.Sleep(time.Millisecond) // so that a hundred of them are not full
		}
		if most > 2<<10 {
			t.Errorf("there were %d buckets at a time", most)
		}
		if wait := r.take("greedy", 10) + r.take("greedy", 5); wait != 500*time.Millisecond {
			t.Errorf("it has to wait %v, want 500ms", wait)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRates(1, 10)
		most := 0
		for i := range 2 * mostBuckets {
			r.take(strconv.Itoa(i), 1)
			most = max(most, len(r.buckets))
		}
		if most > mostBuckets {
			t.Errorf("there were %d buckets at a time, want at most %d", most, mostBuckets)
		}
	})
}

func TestTrustIsBounded(t *testing.T) {
	t.Parallel()
	a := newAttempts()
	for i := range 2 * mostTrusted {
		for range 2 { // the second time it is known
			a.visit("192.0.2.1", strconv.Itoa(i)).passed()
		}
	}
	if n := len(a.trusted); n != mostTrusted {
		t.Errorf("%d are remembered, want %d", n, mostTrusted)
	}
	if !a.trusts(a.visit("192.0.2.1", strconv.Itoa(2*mostTrusted-1)).sum) || a.trusts(a.visit("192.0.2.1", "0").sum) {
		t.Error("the latest is not remembered, or the first is")
	}
}
