package rabbitmq

import (
	"context"
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

func TestShortcuts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var s shortcuts
	add, subtract := route{calculator, "add"}, route{calculator, "subtract"}
	want := func(when string, r route, at time.Time, want bool) {
		t.Helper()
		if got := s.has(r, at); got != want {
			t.Errorf("%s: there is a shortcut for %v: %v, want %v", when, r, got, want)
		}
	}
	want("at first", add, now, false)
	s.note(add, now)
	want("just now", add, now, true)
	want("just now", subtract, now, false)
	want("as long as it lasts", add, now.Add(shortcutLasts-1), true)
	want("later", add, now.Add(shortcutLasts), false)
	want("the clock was set back", add, now.Add(-1), false)
	s.note(add, now.Add(shortcutLasts))
	want("once more", add, now.Add(shortcutLasts), true)
	for n := range 10 * mostShortcuts {
		s.note(route{calculator, fmt.Sprint(n)}, now)
	}
	if n := len(s.taken); n > mostShortcuts {
		t.Errorf("%d shortcuts are remembered, want no more than %d", n, mostShortcuts)
	}
}

// A request is published to its service's queue only when one that went by the exchanges
// has been answered from there just now.
func TestShortcutIsLearned(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process()
	a.announced(caller)
	ch := a.channel()
	deliveries, err := ch.Consume(calculator, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	step := func(from string) (short bool) {
		t.Helper()
		result := a.begin(caller, "1")
		request := await(t, "the request", deliveries)
		a.put(ch, "", request.ReplyTo, amqp.Publishing{CorrelationId: request.CorrelationId, Type: from})
		await(t, "the reply", result)
		return request.Exchange == ""
	}
	for _, from := range []string{"", "", "calculator.method.add", "", "somebody", ""} {
		if step(from) {
			t.Errorf("a request was published to the queue although it was not known to lead there")
		}
	}
	a.eventually("a request to be published to the queue", func() bool { return step(calculator) })
	by := route{service: calculator}
	last := caller.shortcuts.taken[by]
	before := last.Load()
	for step(calculator) {
		if last.Load() != before {
			t.Fatal("those who take the shortcut make it last longer")
		}
	}
	last.Store(time.Now().Add(-shortcutLasts).UnixNano())
	if step("") {
		t.Error("the shortcut was taken although its time was over")
	}
}

// A method that is given a queue of its own gets its requests there, also from those who
// know the way to the service's.
func TestShortcutGivesWay(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process()
	answering := func(text string) transports.Handler {
		return func(context.Context, transports.Message) transports.Outcome {
			return transports.Outcome{Reply: []byte(text)}
		}
	}
	call := func() string {
		reply, err := caller.Call(a.ctx(), calculator, transports.Message{Method: "factor", Body: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		return string(reply)
	}
	a.serve(a.process(), answering("the service"), 8)
	a.announced(caller)
	a.eventually("a shortcut", func() bool {
		return call() == "the service" && caller.shortcuts.has(route{calculator, "factor"}, time.Now())
	})
	a.serve(a.process(), answering("the method"), 8, "factor")
	a.eventually("the method's own queue to get the requests", func() bool { return call() == "the method" })
	a.eventually("the shortcut to be over", func() bool { return !caller.shortcuts.has(route{calculator, "factor"}, time.Now()) })
	for range 50 {
		if got := call(); got != "the method" {
			t.Fatalf("a request came to %s", got)
		}
	}
}
