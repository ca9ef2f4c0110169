package redislist

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// The audit must find what was moved without an answer, and nothing else.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := newWorker(newKeys(""), "calculator")
	w.take("known")
	w.take("twin")
	list := []string{"known", "twin", "twin", "lost"}
	if found := w.audit(list); len(found) != 0 {
		t.Fatalf("found %q at first sight; the answer to its move may be on its way", found)
	}
	found := w.audit(list)
	slices.Sort(found)
	if !slices.Equal(found, []string{"lost", "twin"}) {
		t.Fatalf("found %q, want lost and the second twin", found)
	}
	w.adopt([]string{"lost"})
	if e := w.takeFound(9); len(e) != 1 || e[0].raw != "lost" || !e[0].frame.Redelivered {
		t.Error("an adopted message does not say that it may have run")
	}
	if w.take("lost") != nil {
		t.Error("the late answer to the move started the message a second time")
	}
	w.adopt([]string{"twin"})
	if found := w.audit(list); len(found) != 0 {
		t.Errorf("found %q again", found)
	}
}

func TestAuditForgetsWhatArrived(t *testing.T) {
	t.Parallel()
	w := newWorker(newKeys(""), "calculator")
	w.audit([]string{"late"})
	w.take("late")
	if found := w.audit([]string{"late"}); len(found) != 0 {
		t.Errorf("found %q, which has arrived meanwhile", found)
	}
}

func TestFenceEndsEverything(t *testing.T) {
	t.Parallel()
	w := newWorker(newKeys(""), "calculator")
	ctx, cancel := context.WithCancelCause(t.Context())
	e := w.take("a")
	if !w.begin(e, cancel) {
		t.Fatal("a message that was just taken is settled")
	}
	quiet := w.quiet()
	w.fence(errFenced)
	<-quiet
	if !errors.Is(context.Cause(ctx), errFenced) {
		t.Errorf("handler's context ended with %v", context.Cause(ctx))
	}
	if w.end(e) {
		t.Error("a fenced worker may still settle")
	}
	if w.take("b") != nil {
		t.Error("a fenced worker takes messages")
	}
}

func TestBackoffSpreads(t *testing.T) {
	t.Parallel()
	for failures := range 20 {
		full := min(50*time.Millisecond<<min(failures, 10), 5*time.Second)
		for range 100 {
			if d := backoff(failures); d < full/2 || d > full {
				t.Fatalf("backoff(%d) = %v, want between %v and %v", failures, d, full/2, full)
			}
		}
	}
}

func TestClockSurvivesSlowReadings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c clock
		local := time.Now()
		c.set(local.Add(time.Hour).UnixMilli(), local) // the broker is an hour ahead
		if got := c.toBroker(local.Add(time.Minute)); !got.Equal(local.Add(61 * time.Minute)) {
			t.Errorf("a minute from now is %v there", got)
		}
		if got := c.toLocal(local.Add(61 * time.Minute)); !got.Equal(local.Add(time.Minute)) {
			t.Errorf("translated back: %v", got)
		}
		before := time.Now()
		time.Sleep(time.Minute) // a broker that stood still
		c.set(local.UnixMilli(), before)
		if got := c.toBroker(local); !got.Equal(local.Add(time.Hour)) {
			t.Errorf("a reading that took a minute moved the clock to %v", got)
		}
	})
}
