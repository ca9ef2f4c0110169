package rabbitmq

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

func arriving(serial string, tag uint64, again bool) *entry {
	return &entry{
		serial: serial, in: inbound{message: transports.Message{ID: "id of " + serial}},
		delivery: delivery{Delivery: amqp.Delivery{DeliveryTag: tag, Redelivered: again}},
	}
}

// want fails the test if a message does not arrive so.
func (k *desk) want(t *testing.T, e *entry, want arrival) {
	t.Helper()
	if got := k.enter(e); got != want {
		t.Errorf("%q, number %d, again: %v: arrival %d, want %d", e.serial, e.delivery.DeliveryTag, e.delivery.Redelivered, got, want)
	}
}

func TestDesk(t *testing.T) {
	t.Parallel()
	k := newDesk()
	a := arriving("a", 5, false)
	k.want(t, a, arrivedNew)
	if !k.begin(a) {
		t.Error("a may not begin")
	}
	k.want(t, arriving("a", 1, true), arrivedAgain)
	k.want(t, arriving("b", 2, true), arrivedNew) // it was another process's
	if tag := k.latest(a).DeliveryTag; tag != 1 {
		t.Errorf("a is to be acknowledged by the number %d, want that of the latest delivery, 1", tag)
	}
	if !k.end(a) || k.end(a) {
		t.Error("a is not one's alone to settle")
	}
	outdated, latest := arriving("a", 5, false).delivery, k.latest(a)
	if k.leave(a, true, &outdated) {
		t.Error("a may leave, although it was not acknowledged by its latest delivery")
	}
	k.want(t, arriving("a", 1, true), arrivedAgain)
	if !k.leave(a, true, &latest) {
		t.Error("a may not leave")
	}
	k.want(t, arriving("a", 1, true), arrivedDone)
	k.want(t, arriving("a", 9, false), arrivedNew) // sent twice, as a caller does that does not know

	// What was not settled is run again when it comes again.
	c := arriving("c", 3, false)
	k.want(t, c, arrivedNew)
	k.end(c)
	k.leave(c, false, nil)
	k.want(t, arriving("c", 4, true), arrivedNew)

	// Messages of other programs cannot be told apart.
	for range 2 {
		k.want(t, arriving("", 6, true), arrivedNew)
	}
}

func TestDeskForgets(t *testing.T) {
	t.Parallel()
	k := newDesk()
	for i := range 3 * mostDone {
		e := arriving(fmt.Sprint(i), uint64(i), false)
		k.want(t, e, arrivedNew)
		k.end(e)
		k.leave(e, true, nil)
	}
	if len(k.done) != mostDone || len(k.order) != mostDone || len(k.open)+len(k.running)+len(k.settling) > 0 {
		t.Errorf("remembered: %d done, %d in order, %d open, %d running, %d settling",
			len(k.done), len(k.order), len(k.open), len(k.running), len(k.settling))
	}
	k.want(t, arriving(fmt.Sprint(3*mostDone-1), 1, true), arrivedDone)
	k.want(t, arriving(fmt.Sprint(2*mostDone), 1, true), arrivedDone) // the oldest
	k.want(t, arriving(fmt.Sprint(2*mostDone-1), 1, true), arrivedNew)
}

func TestDeskCloses(t *testing.T) {
	t.Parallel()
	k := newDesk()
	begun, waiting, over := arriving("begun", 1, false), arriving("waiting", 2, false), arriving("over", 3, false)
	for _, e := range []*entry{begun, waiting, over} {
		k.want(t, e, arrivedNew)
	}
	k.begin(begun)
	k.end(over)
	open := k.close()
	slices.SortFunc(open, func(a, b *entry) int { return int(a.delivery.DeliveryTag) - int(b.delivery.DeliveryTag) })
	if !slices.Equal(open, []*entry{begun, waiting}) {
		t.Errorf("%d messages are to be given back, want those that have not ended", len(open))
	}
	late := arriving("late", 4, false)
	k.want(t, late, arrivedNew)
	if k.end(begun) || k.begin(waiting) || k.begin(late) {
		t.Error("after that something ends, or begins")
	}
	if !begun.started || waiting.started {
		t.Errorf("begun: %v and %v, want true and false", begun.started, waiting.started)
	}
}

// A copy may be here before its original is acknowledged.
func TestDeskSettles(t *testing.T) {
	t.Parallel()
	isSettled := func(k *desk, id string) bool { return k.settled(id) == nil }
	k := newDesk()
	a := arriving("a", 1, false)
	id := a.in.message.ID
	k.want(t, a, arrivedNew)
	if !isSettled(k, id) {
		t.Error("a copy waits for an original that is being run")
	}
	k.end(a)
	if isSettled(k, id) || !isSettled(k, "id of another") {
		t.Error("a copy does not wait for its original, or another does")
	}
	copied := arriving("copy of a", 2, false)
	copied.in.message.ID = id
	k.want(t, copied, arrivedNew)
	k.end(copied)
	k.leave(copied, true, nil)
	if isSettled(k, id) {
		t.Error("a copy's end counts for the original's")
	}
	waiting := k.settled(id)
	k.leave(a, false, nil)
	<-waiting
	if !isSettled(k, id) || len(k.settling) > 0 {
		t.Errorf("settled, and still %d wait", len(k.settling))
	}
}

func TestCrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c crowd
		if !c.gone(t.Context()) {
			t.Error("nobody is there, and not gone")
		}
		c.enter()
		c.enter()
		brief, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if c.gone(brief) {
			t.Error("two are there, and gone")
		}
		gone := make(chan bool, 2)
		for range cap(gone) {
			go func() { gone <- c.gone(t.Context()) }()
		}
		synctest.Wait()
		c.leave()
		synctest.Wait()
		if len(gone) > 0 {
			t.Error("one is there, and gone")
		}
		c.leave()
		for range cap(gone) {
			if !<-gone {
				t.Error("none is there, and not gone")
			}
		}
		c.enter()
		c.leave()
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r refusals
		try := func(service string, times int, want time.Duration) {
			t.Helper()
			if got, ok := r.again(service, times); got != want || ok != (want > 0) {
				t.Errorf("%s, refused %d times: try again %v, after %v, want %v", service, times, ok, got, want)
			}
		}
		try("a", 1, 40*time.Millisecond)
		try("a", 2, 160*time.Millisecond)
		try("a", 3, 640*time.Millisecond)
		try("a", 4, 0)
		try("a", 1, 0) // it was full just now
		try("b", 1, 40*time.Millisecond)
		for range 10 {
			time.Sleep(fullFor - 1)
			try("a", 1, 0)
		}
		time.Sleep(fullFor)
		try("a", 1, 40*time.Millisecond)
	})
}
