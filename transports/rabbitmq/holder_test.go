package rabbitmq

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func never(error) bool { return false }

var errAway = errors.New("away")

func TestHolder(t *testing.T) {
	t.Parallel()
	const first = 10 * time.Second // what a first attempt is given
	type result struct {
		value string
		ok    bool
		err   error
		after time.Duration
	}
	wait := func(ctx context.Context, h *holder[string], patience time.Duration, hopeless func(error) bool) result {
		began := time.Now()
		value, ok, err := h.wait(ctx, first, patience, hopeless)
		return result{value, ok, err, time.Since(began)}
	}
	later := func(after time.Duration, do func()) { time.AfterFunc(after, do) }
	for name, c := range map[string]struct {
		prepare  func(h *holder[string], cancel func())
		patience time.Duration
		want     result
	}{
		"there":                         {func(h *holder[string], _ func()) { h.put("v") }, time.Second, result{"v", true, nil, 0}},
		"there, for the impatient":      {func(h *holder[string], _ func()) { h.put("v") }, 0, result{"v", true, nil, 0}},
		"comes in time":                 {func(h *holder[string], _ func()) { later(900*time.Millisecond, func() { h.put("v") }) }, time.Second, result{"v", true, nil, 900 * time.Millisecond}},
		"comes too late":                {func(h *holder[string], _ func()) { later(first+1, func() { h.put("v") }) }, time.Second, result{"", false, nil, first}},
		"comes late, for the patient":   {func(h *holder[string], _ func()) { later(time.Hour, func() { h.put("v") }) }, forever, result{"v", true, nil, time.Hour}},
		"fails, and comes in time":      {func(h *holder[string], _ func()) { h.drop(errAway); later(time.Millisecond, func() { h.put("v") }) }, time.Second, result{"v", true, nil, time.Millisecond}},
		"comes at the first attempt":    {func(h *holder[string], _ func()) { later(first-1, func() { h.put("v") }) }, time.Second, result{"v", true, nil, first - 1}},
		"fails at once, then not again": {func(h *holder[string], _ func()) { later(time.Millisecond, func() { h.drop(errAway) }) }, time.Second, result{"", false, errAway, time.Second}},
		"fails at the first attempt":    {func(h *holder[string], _ func()) { later(first-1, func() { h.drop(errAway) }) }, time.Second, result{"", false, errAway, first - 1}},
		"fails again and again": {func(h *holder[string], _ func()) {
			h.drop(errAway)
			later(time.Millisecond, func() { h.drop(errAway) })
		}, time.Second, result{"", false, errAway, time.Second}},
		"has been away for long":        {func(h *holder[string], _ func()) { h.drop(errAway); time.Sleep(time.Hour) }, time.Second, result{"", false, errAway, 0}},
		"has been away for a while":     {func(h *holder[string], _ func()) { h.drop(errAway); time.Sleep(600 * time.Millisecond) }, time.Second, result{"", false, errAway, 400 * time.Millisecond}},
		"not known for a while":         {func(h *holder[string], _ func()) { time.Sleep(999 * time.Millisecond) }, time.Second, result{"", false, nil, first}},
		"not known for long":            {func(h *holder[string], _ func()) { time.Sleep(time.Hour) }, time.Second, result{"", false, nil, first}},
		"was there, went just now":      {func(h *holder[string], _ func()) { h.put("v"); time.Sleep(time.Hour); h.drop(errAway) }, time.Second, result{"", false, errAway, time.Second}},
		"goes while it is failing":      {func(h *holder[string], _ func()) { h.drop(errAway); time.Sleep(time.Hour); h.drop(errAway) }, time.Second, result{"", false, errAway, 0}},
		"hopeless":                      {func(h *holder[string], _ func()) { h.drop(errHopeless) }, forever, result{"", false, errHopeless, 0}},
		"becomes hopeless":              {func(h *holder[string], _ func()) { later(time.Minute, func() { h.drop(errHopeless) }) }, forever, result{"", false, errHopeless, time.Minute}},
		"hopeless, but there now":       {func(h *holder[string], _ func()) { h.drop(errHopeless); h.put("v") }, forever, result{"v", true, nil, 0}},
		"the context ends":              {func(_ *holder[string], cancel func()) { later(time.Minute, cancel) }, forever, result{"", false, context.Canceled, time.Minute}},
		"the context has ended":         {func(_ *holder[string], cancel func()) { cancel() }, forever, result{"", false, context.Canceled, 0}},
		"the context has ended, but ok": {func(h *holder[string], cancel func()) { cancel(); h.put("v") }, forever, result{"v", true, nil, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				h := newHolder[string]()
				c.prepare(h, cancel)
				got := wait(ctx, h, c.patience, func(err error) bool { return errors.Is(err, errHopeless) })
				if got != c.want {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
				time.Sleep(2 * time.Hour) // for what comes late
			})
		})
	}
}

var errHopeless = errors.New("hopeless")

func TestHolderForMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHolder[int]()
		got := make(chan int, 100)
		for range cap(got) {
			go func() {
				v, ok, err := h.wait(t.Context(), time.Minute, time.Minute, never)
				if !ok || err != nil {
					t.Errorf("ok %v, error %v", ok, err)
				}
				got <- v
			}()
		}
		synctest.Wait()
		if len(got) > 0 {
			t.Errorf("%d got a value before there was one", len(got))
		}
		h.put(7)
		for range cap(got) {
			if v := <-got; v != 7 {
				t.Errorf("got %d", v)
			}
		}
		h.drop(errAway)
		if v, ok, err := h.get(); v != 0 || ok || !errors.Is(err, errAway) {
			t.Errorf("after it went: value %d, there %v, error %v", v, ok, err)
		}
	})
}

func TestPause(t *testing.T) {
	t.Parallel()
	timing := defaultTiming()
	seen := make(map[time.Duration]bool)
	for failures, longest := range []time.Duration{
		100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond,
		1600 * time.Millisecond, 3200 * time.Millisecond, timing.backoff, timing.backoff,
	} {
		for range 1000 {
			d := timing.pause(failures)
			seen[d] = true
			if d < longest/2 || d > longest {
				t.Fatalf("after %d failures the pause is %v, want %v to %v", failures, d, longest/2, longest)
			}
		}
	}
	if len(seen) < 1000 {
		t.Errorf("8000 pauses have %d lengths: processes would come back together", len(seen))
	}
	if d := timing.pause(1_000_000); d > timing.backoff || d <= 0 {
		t.Errorf("after a million failures the pause is %v", d)
	}
}
