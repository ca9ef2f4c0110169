package lifetime

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type key struct{}

// Whatever ends it, it ends like a context of the standard library, whether somebody has
// asked for its channel or derived from it before, after or not at all.
func TestEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limit  time.Duration // of the context; 0: none
		outer  time.Duration // of its parent
		cancel time.Duration // when it is cancelled; 0: never
		parent time.Duration // when its parent is cancelled
		wait   time.Duration
		want   error
	}{
		"runs":              {limit: 2 * time.Second, wait: time.Second},
		"without deadline":  {wait: time.Hour},
		"deadline":          {limit: time.Second, wait: time.Second, want: context.DeadlineExceeded},
		"past":              {limit: -time.Second, want: context.DeadlineExceeded},
		"parent's deadline": {limit: time.Hour, outer: time.Second, wait: time.Second, want: context.DeadlineExceeded},
		"parent's alone":    {outer: time.Second, wait: time.Second, want: context.DeadlineExceeded},
		"cancelled":         {limit: 2 * time.Second, cancel: time.Second, wait: time.Second, want: context.Canceled},
		"cancelled without": {cancel: time.Second, wait: time.Second, want: context.Canceled},
		"cancelled after":   {limit: time.Second, cancel: 2 * time.Second, wait: 3 * time.Second, want: context.DeadlineExceeded},
		"cancelled before":  {limit: 2 * time.Second, cancel: time.Second, wait: 3 * time.Second, want: context.Canceled},
		"parent cancelled":  {limit: 2 * time.Second, parent: time.Second, wait: time.Second, want: context.Canceled},
	} {
		for _, asked := range []string{"never", "before", "again"} {
			t.Run(name+", asked "+asked, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
					if test.outer != 0 {
						parent, cancel = context.WithTimeout(parent, test.outer)
					}
					defer cancel()
					var deadline time.Time
					if test.limit != 0 {
						deadline = time.Now().Add(test.limit)
					}
					var c Context
					c.Init(parent, deadline)
					defer c.Release()
					child, stop := context.Background(), func() {}
					if asked != "never" {
						c.Done()
						child, stop = context.WithTimeout(context.WithValue(&c, key{}, "its own"), 24*time.Hour)
					}
					defer stop()
					after(test.cancel, c.Cancel)
					after(test.parent, cancel)
					time.Sleep(test.wait)
					synctest.Wait()
					if asked != "before" && !errors.Is(c.Err(), test.want) {
						t.Errorf("error %v, want %v", c.Err(), test.want)
					}
					if asked != "never" && !errors.Is(child.Err(), test.want) {
						t.Errorf("a derived context's error %v, want %v", child.Err(), test.want)
					}
					wantDone(t, &c, test.want)
				})
			})
		}
	}
}

// after calls f once d has passed, never for 0.
func after(d time.Duration, f func()) {
	if d != 0 {
		time.AfterFunc(d, f)
	}
}

func wantDone(t *testing.T, c *Context, want error) {
	t.Helper()
	select {
	case <-c.Done():
		if want == nil {
			t.Error("done without a reason")
		}
	default:
		if want != nil {
			t.Error("not done")
		}
	}
	if !errors.Is(c.Err(), want) {
		t.Errorf("error %v, want %v", c.Err(), want)
	}
	if v := c.Value(key{}); v != "value" {
		t.Errorf("value %v", v)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	soon, late := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	bounded, cancel := context.WithDeadline(t.Context(), soon)
	defer cancel()
	for name, test := range map[string]struct {
		parent         context.Context
		deadline, want time.Time
	}{
		"none":             {parent: t.Context()},
		"its own":          {parent: t.Context(), deadline: late, want: late},
		"its parent's":     {parent: bounded, want: soon},
		"the earlier one":  {parent: bounded, deadline: late, want: soon},
		"the earlier, own": {parent: bounded, deadline: soon.Add(-time.Minute), want: soon.Add(-time.Minute)},
	} {
		var c Context
		c.Init(test.parent, test.deadline)
		if got, ok := c.Deadline(); !got.Equal(test.want) || ok == test.want.IsZero() {
			t.Errorf("%s: %v, %v, want %v", name, got, ok, test.want)
		}
	}
}

// A derived context costs no goroutine, which it would if package context did not know
// where to hang it.
func TestDerivedHangsOnIt(t *testing.T) {
	t.Parallel()
	var c Context
	c.Init(t.Context(), time.Now().Add(time.Hour))
	child, stop := context.WithCancelCause(context.WithValue(&c, key{}, 1))
	defer stop(nil)
	why := errors.New("why")
	grandchild, end := context.WithCancelCause(child)
	end(why)
	if got := context.Cause(grandchild); !errors.Is(got, why) {
		t.Errorf("cause %v", got)
	}
	c.Cancel() // at once: without a goroutine nothing is left to wait for
	if child.Err() == nil {
		t.Error("a derived context goes on")
	}
}

// However Err and Done meet, at the deadline too: what has ended stays so.
func TestEndsForGood(t *testing.T) {
	t.Parallel()
	for i := range 20_000 {
		var c Context
		c.Init(t.Context(), time.Now().Add(time.Duration(i%400)*50*time.Nanosecond))
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			c.Done()
		}()
		for ended, looks := false, 0; looks < 10; {
			switch err := c.Err(); {
			case err != nil:
				ended = true
				looks++
			case ended:
				t.Fatalf("context %d has ended, and goes on", i)
			}
		}
		<-asked
		c.Release()
	}
}

func BenchmarkUnasked(b *testing.B) {
	parent, deadline := context.Background(), time.Now().Add(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		c := new(Context)
		c.Init(parent, deadline)
		c.Release()
	}
}
