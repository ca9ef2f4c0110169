package redislist

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/internal/lifetime"
)

func auditOf(t *testing.T, w *worker, during func(), list ...string) int {
	t.Helper()
	if !w.beginAudit() {
		t.Fatal("no reason for an audit")
	}
	if during != nil {
		during()
	}
	return w.audit(list)
}

// The audit must find what was moved without an answer, and nothing else.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := newWorker(newKeys(""), "calculator")
	if w.beginAudit() {
		t.Error("an audit though every answer came")
	}
	w.note(errors.New("cut off"))
	w.take("known")
	w.take("twin")
	list := []string{"known", "twin", "twin", "lost"}
	if n := auditOf(t, w, nil, list...); n != 0 {
		t.Fatalf("found %d at first sight; the answer to the move may be on its way", n)
	}
	if n := auditOf(t, w, nil, list...); n != 2 {
		t.Fatalf("found %d, want lost and the second twin", n)
	}
	for _, e := range w.takeFound(9) {
		if !e.frame.Redelivered || e.raw != "lost" && e.raw != "twin" {
			t.Errorf("found %q, redelivered %v", e.raw, e.frame.Redelivered)
		}
	}
	if w.take("lost") != nil {
		t.Error("the late answer to the move started the message a second time")
	}
	w.note(nil)
	if w.take("twin") == nil {
		t.Error("a message like one that was found is never begun")
	}
	if w.beginAudit() {
		t.Error("an audit though everything was found")
	}
}

func TestAuditForgetsWhatArrived(t *testing.T) {
	t.Parallel()
	w := newWorker(newKeys(""), "calculator")
	w.note(errors.New("cut off"))
	auditOf(t, w, nil, "late")
	e := w.take("late")
	if n := auditOf(t, w, nil, "late"); n != 0 {
		t.Errorf("found %d messages that have arrived meanwhile", n)
	}
	w.note(errors.New("cut off"))
	auditOf(t, w, nil, "late", "other")
	// Settled while the audit was under way: the list is older than that.
	if n := auditOf(t, w, func() { w.forget(e) }, "late"); n != 0 {
		t.Errorf("found %d messages that are settled", n)
	}
}

func TestFenceEndsEverything(t *testing.T) {
	t.Parallel()
	w := newWorker(newKeys(""), "calculator")
	var life lifetime.Context
	life.Init(t.Context(), time.Time{})
	e := w.take("a")
	if !w.begin(e, &life) {
		t.Fatal("a message that was just taken is settled")
	}
	quiet := w.quiet()
	w.fence()
	<-quiet
	if !errors.Is(life.Err(), context.Canceled) {
		t.Errorf("handler's context ended with %v", life.Err())
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
		full := min(50*time.Millisecond<<min(failures, 10), 2*time.Second)
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
		// A reading that took a minute says too little, unless the estimate cannot be right.
		before := time.Now()
		time.Sleep(time.Minute)
		c.set(local.Add(time.Hour+10*time.Second).UnixMilli(), before)
		if got := c.toBroker(local); !got.Equal(local.Add(time.Hour)) {
			t.Errorf("a slow reading moved the clock to %v", got)
		}
		c.set(local.UnixMilli(), before) // somebody set the broker's clock back
		if got := c.toBroker(local); got.After(local.Add(time.Minute)) {
			t.Errorf("the clock still says %v", got)
		}
	})
}
