package rabbitmq

import (
	"context"
	"fmt"
	"strings"
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
	for _, permission := range []int32{unknown, asked, denied} {
		s.permission.Store(permission)
		want("without permission", add, now, false)
	}
	s.permission.Store(given)
	want("just now", add, now, true)
	want("just now", subtract, now, false)
	want("as long as it lasts", add, now.Add(shortcutLasts-1), true)
	want("later", add, now.Add(shortcutLasts), false)
	want("the clock was set back", add, now.Add(-1), false)
	s.note(add, now.Add(shortcutLasts))
	s.note(add, now) // it took longer
	want("once more", add, now.Add(shortcutLasts), true)
	s.forget(add)
	s.forget(subtract)
	want("it leads there no more", add, now.Add(shortcutLasts), false)
	long := route{calculator, strings.Repeat("x", mostShort+1)}
	s.note(long, now)
	want("nobody keeps anything of that size", long, now, false)
	for n := range 10 * mostRecalled {
		s.note(route{calculator, fmt.Sprint(n)}, now)
	}
	if n := len(s.taken.last); n > mostRecalled {
		t.Errorf("%d shortcuts are remembered, want no more than %d", n, mostRecalled)
	}
}

// A request is published to its service's queue only when one that went by the exchanges
// has been answered from there just now.
func TestShortcutIsLearned(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process()
	ch, deliveries := a.stranger(caller)
	step := func(from string) (short bool) {
		t.Helper()
		result := a.begin(caller, "1")
		request := await(t, "the request", deliveries)
		if _, long := request.Headers[headerExpires]; long == (request.Exchange == "") {
			t.Errorf("a request by the exchange %q has the headers %v", request.Exchange, request.Headers)
		}
		if m := decode(request, time.Now()).message; !m.Expires.After(time.Now()) || m.Enqueued.IsZero() {
			t.Errorf("a request by the exchange %q was sent at %v and expires at %v", request.Exchange, m.Enqueued, m.Expires)
		}
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
	last := caller.shortcuts.taken.get(by)
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
	a.eventually("a request to be published to the queue", func() bool { return step(calculator) })
	a.eventually("one to be answered by somebody else", func() bool { return step("") })
	if step("") {
		t.Error("the shortcut was taken although somebody else has answered")
	}
}

// Where a shortcut has led to, there may be no queue any more, or none with room, and yet
// the exchanges find one.
func TestShortcutToNowhere(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process(func(o *Options, _ *timing) { o.Catalogue = []string{"other"} })
	method := route{calculator, "factor"}
	a.serve(a.process(), echo, 8, method.method)
	a.eventually("the method's queue to be consumed", func() bool {
		var q amqp.Queue
		err := caller.admin(a.ctx(), func(ch *amqp.Channel) (err error) {
			q, err = ch.QueueDeclarePassive("calculator.method.factor", true, false, false, false, nil)
			return err
		})
		return err == nil && q.Consumers > 0
	})
	ch := a.channel()
	for name, spoil := range map[string]func() error{
		"deleted": func() error { _, err := ch.QueueDelete(calculator, false, false, false); return err },
		"full": func() error {
			_, err := ch.QueueDelete(calculator, false, false, false)
			if err == nil {
				_, err = ch.QueueDeclare(calculator, true, false, false, false, amqp.Table{"x-max-length": 0, "x-overflow": "reject-publish"})
			}
			return err
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		caller.shortcuts.permission.Store(given)
		caller.shortcuts.note(method, time.Now())
		_, err := caller.Call(a.ctx(), calculator, transports.Message{Method: method.method, Body: []byte("1")})
		if err != nil {
			t.Errorf("the service's queue is %s: %v", name, err)
		}
		if caller.shortcuts.has(method, time.Now()) {
			t.Errorf("the service's queue is %s, and there is a shortcut to it", name)
		}
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
