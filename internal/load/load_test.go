package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// taking returns a call that succeeds after d, by the clock of a bubble.
func taking(d time.Duration) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// TestRun: the figures of plans whose outcome can be told beforehand.
func TestRun(t *testing.T) {
	t.Parallel()
	calls := func(n int, took time.Duration) (h Histogram) {
		for range n {
			h.Record(took)
		}
		return h
	}
	tests := []struct {
		name string
		plan Plan
		took time.Duration // by each call
		stop time.Duration // when the context ends; 0: never
		want Report
		made int64
		end  time.Duration // when Run returns
	}{
		{
			name: "a window",
			plan: Plan{Callers: 3, Window: time.Second}, took: 100 * time.Millisecond,
			want: Report{Calls: 30, Elapsed: time.Second, Latency: calls(30, 100*time.Millisecond)}, made: 30, end: time.Second,
		}, {
			name: "calls that end in the warm-up are not counted, calls that straddle its end are",
			plan: Plan{Callers: 2, Warmup: 250 * time.Millisecond, Window: time.Second}, took: 100 * time.Millisecond,
			want: Report{Calls: 20, Late: 2, Elapsed: time.Second, Latency: calls(22, 100*time.Millisecond)}, made: 26, end: 1300 * time.Millisecond,
		}, {
			name: "a call that hangs is late",
			plan: Plan{Callers: 4, Window: time.Second}, took: 10 * time.Second,
			want: Report{Late: 4, Elapsed: time.Second, Latency: calls(4, 10*time.Second)}, made: 4, end: 10 * time.Second,
		}, {
			name: "a number of calls",
			plan: Plan{Callers: 4, Calls: 10}, took: 100 * time.Millisecond,
			want: Report{Calls: 10, Elapsed: 300 * time.Millisecond, Latency: calls(10, 100*time.Millisecond)}, made: 10, end: 300 * time.Millisecond,
		}, {
			name: "fewer calls than callers",
			plan: Plan{Callers: 64, Calls: 1}, took: 100 * time.Millisecond,
			want: Report{Calls: 1, Elapsed: 100 * time.Millisecond, Latency: calls(1, 100*time.Millisecond)}, made: 1, end: 100 * time.Millisecond,
		}, {
			name: "a number of calls after a warm-up, and what straddles its end is not among them",
			plan: Plan{Callers: 1, Warmup: 250 * time.Millisecond, Calls: 5}, took: 100 * time.Millisecond,
			want: Report{Calls: 5, Elapsed: 550 * time.Millisecond, Latency: calls(5, 100*time.Millisecond)}, made: 8, end: 800 * time.Millisecond,
		}, {
			name: "a number of calls that do not fit into the window",
			plan: Plan{Callers: 2, Window: time.Second, Calls: 1000}, took: 300 * time.Millisecond,
			want: Report{Calls: 6, Late: 2, Elapsed: time.Second, Latency: calls(8, 300*time.Millisecond)}, made: 8, end: 1200 * time.Millisecond,
		}, {
			name: "the context ends the window, and who was interrupted counts nowhere",
			plan: Plan{Callers: 2, Window: time.Hour}, took: 100 * time.Millisecond, stop: 450 * time.Millisecond,
			want: Report{Calls: 8, Elapsed: 450 * time.Millisecond, Latency: calls(8, 100*time.Millisecond)}, made: 10, end: 450 * time.Millisecond,
		}, {
			name: "the context ends with all calls begun and none back",
			plan: Plan{Callers: 2, Calls: 2}, took: time.Hour, stop: 450 * time.Millisecond,
			want: Report{Elapsed: 450 * time.Millisecond}, made: 2, end: 450 * time.Millisecond,
		}, {
			name: "the context ends in the warm-up",
			plan: Plan{Callers: 2, Warmup: time.Second, Window: time.Second}, took: 100 * time.Millisecond, stop: 450 * time.Millisecond,
			want: Report{}, made: 10, end: 450 * time.Millisecond,
		}, {
			name: "neither a window nor a number of calls: until the context ends",
			plan: Plan{}, took: 100 * time.Millisecond, stop: 250 * time.Millisecond,
			want: Report{Calls: 2, Elapsed: 250 * time.Millisecond, Latency: calls(2, 100*time.Millisecond)}, made: 3, end: 250 * time.Millisecond,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if tt.stop > 0 {
					ctx, cancel = context.WithTimeout(ctx, tt.stop)
				}
				defer cancel()
				var made atomic.Int64
				call := taking(tt.took)
				begin := time.Now()
				got := Run(ctx, tt.plan, func(ctx context.Context, caller int) error {
					made.Add(1)
					return call(ctx, caller)
				})
				if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(Histogram{})); diff != "" {
					t.Errorf("report (-want +got):\n%s", diff)
				}
				if took := time.Since(begin); made.Load() != tt.made || took != tt.end {
					t.Errorf("%d calls were made in %v, want %d in %v", made.Load(), took, tt.made, tt.end)
				}
			})
		})
	}
}

// TestRunKeepsCallersApart: each has one call under way at any time, and a number of its own.
func TestRunKeepsCallersApart(t *testing.T) {
	t.Parallel()
	const callers = 32
	var busy [callers]sync.Mutex
	var made [callers]atomic.Int64
	report := Run(t.Context(), Plan{Callers: callers, Calls: 20_000}, func(_ context.Context, caller int) error {
		if !busy[caller].TryLock() {
			t.Errorf("caller %d has two calls under way", caller)
			return nil
		}
		defer busy[caller].Unlock()
		made[caller].Add(1)
		runtime.Gosched()
		return nil
	})
	if report.Calls != 20_000 || report.Latency.Count() != 20_000 || len(report.Failed) > 0 {
		t.Errorf("of 20,000 calls %d succeeded, %d were timed, failed: %v", report.Calls, report.Latency.Count(), report.Failed)
	}
	var sum int64
	for i := range made {
		sum += made[i].Load()
	}
	if sum != 20_000 {
		t.Errorf("%d calls were made, want 20,000", sum)
	}
}

// TestRunGroupsFailures: by their text, and the number of texts is bounded. Failed
// calls count in nothing else.
func TestRunGroupsFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var number atomic.Int64
		got := Run(t.Context(), Plan{Callers: 5, Calls: 1000}, func(context.Context, int) error {
			time.Sleep(time.Millisecond)
			switch n := number.Add(1); n % 4 {
			case 0:
				return errors.New("busy")
			case 1:
				return fmt.Errorf("from port %d", n)
			default:
				return nil
			}
		})
		if got.Calls != 500 || got.Latency.Count() != 500 || got.Failures() != 500 || got.Failed["busy"] != 250 {
			t.Errorf("%d calls, %d timed, %d failed, %d of them busy; want 500, 500, 500, 250", got.Calls, got.Latency.Count(), got.Failures(), got.Failed["busy"])
		}
		if len(got.Failed) != maxTexts+1 || got.Failed[Others] < 250-maxTexts {
			t.Errorf("%d texts, %d others: %v", len(got.Failed), got.Failed[Others], got.Failed)
		}
		if got.Elapsed != 200*time.Millisecond || got.Rate() != 2500 {
			t.Errorf("%v calls per second in %v, want 2,500 in 200 ms", got.Rate(), got.Elapsed)
		}
	})
}

// TestRunKnowsWhenItWasEnded, also if that ended the only call before anybody took note.
func TestRunKnowsWhenItWasEnded(t *testing.T) {
	t.Parallel()
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		got := Run(ctx, Plan{Window: time.Hour}, func(ctx context.Context, _ int) error {
			cancel()
			return ctx.Err()
		})
		if got.Elapsed == time.Hour || got.Failures() != 0 {
			t.Fatalf("ended at once, it lasted %v, with failures %v", got.Elapsed, got.Failed)
		}
	}
}

// TestRunSeesLateFailures: what was under way when the window closed and then failed is heard of.
func TestRunSeesLateFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := Run(t.Context(), Plan{Callers: 3, Window: time.Second}, func(ctx context.Context, _ int) error {
			ctx, cancel := context.WithTimeout(ctx, 25*time.Second)
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		want := Report{Failed: map[string]int64{context.DeadlineExceeded.Error(): 3}, Elapsed: time.Second}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Histogram{})); diff != "" || got.Latency.Count() != 0 {
			t.Errorf("report (-want +got):\n%s", diff)
		}
	})
}

func TestReportOfNothing(t *testing.T) {
	t.Parallel()
	var r Report
	if r.Rate() != 0 || r.Failures() != 0 {
		t.Errorf("an empty report has rate %v and %d failures", r.Rate(), r.Failures())
	}
}

// BenchmarkRun shows what the generator itself costs for each call. With more than
// one caller it is the cost on all cores together that counts: times GOMAXPROCS.
func BenchmarkRun(b *testing.B) {
	for _, callers := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			report := Run(b.Context(), Plan{Callers: callers, Calls: b.N}, func(context.Context, int) error { return nil })
			if report.Calls != int64(b.N) {
				b.Fatalf("%d of %d calls succeeded", report.Calls, b.N)
			}
		})
	}
}
