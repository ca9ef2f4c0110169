package redislist

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLifetime(t *testing.T) {
	t.Parallel()
	type key struct{}
	values := context.WithValue(t.Context(), key{}, "value")
	for name, test := range map[string]struct {
		limit  time.Duration // 0: none
		cancel time.Duration // 0: never
		want   error
		after  time.Duration
	}{
		"runs":              {limit: 2 * time.Second, after: time.Second},
		"deadline":          {limit: time.Second, after: time.Second, want: context.DeadlineExceeded},
		"cancelled":         {limit: 2 * time.Second, cancel: time.Second, after: time.Second, want: context.Canceled},
		"cancelled after":   {limit: time.Second, cancel: 2 * time.Second, after: 3 * time.Second, want: context.DeadlineExceeded},
		"without deadline":  {after: time.Hour},
		"cancelled without": {cancel: time.Second, after: time.Second, want: context.Canceled},
		"past":              {limit: -time.Second, want: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Whether it is asked for the error, waited for or derived from, it ends alike.
			for _, waits := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					life := &lifetime{Context: context.WithoutCancel(values)}
					if test.limit != 0 {
						life.deadline = time.Now().Add(test.limit)
					}
					ctx := context.WithValue(life, key{}, "other")
					var done <-chan struct{}
					child := context.Background()
					if waits {
						done = life.Done()
						var stop context.CancelFunc
						child, stop = context.WithTimeout(ctx, 24*time.Hour)
						defer stop()
					}
					if test.cancel != 0 {
						time.AfterFunc(test.cancel, life.cancel)
					}
					defer life.cancel()
					time.Sleep(test.after)
					synctest.Wait()
					if err := life.Err(); !errors.Is(err, test.want) {
						t.Errorf("error %v after %v, want %v", err, test.after, test.want)
					}
					if !waits {
						done = life.Done()
					} else if err := child.Err(); !errors.Is(err, test.want) {
						t.Errorf("error %v of a derived context, want %v", err, test.want)
					}
					select {
					case <-done:
						if test.want == nil {
							t.Error("done without a reason")
						}
					default:
						if test.want != nil {
							t.Error("not done")
						}
					}
				})
			}
			if deadline, ok := (&lifetime{}).Deadline(); ok {
				t.Errorf("deadline %v out of nothing", deadline)
			}
		})
	}
}
