package transporttest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

func dedupeCases() []testCase {
	return []testCase{
		{name: "a kept reply answers the same message again", needs: []Feature{Dedupes}, run: keep},
		{name: "a key belongs to one method", needs: []Feature{Dedupes}, run: keepPerMethod},
		{name: "a kept reply is forgotten in the end", needs: []Feature{Dedupes}, run: keepEnds},
		{name: "a message waits while the same one runs in another slot", needs: []Feature{Dedupes}, run: dedupeSlots},
		{name: "a message waits while the same one runs at another worker", needs: []Feature{Dedupes, SharedQueue}, run: dedupeWorkers},
		{name: "a handler that keeps nothing lets the same message run", needs: []Feature{Dedupes}, run: keepNothing},
		{name: "a message that waits for the same one may expire", needs: []Feature{Dedupes}, run: dedupeExpires},
		{name: "Close lets the same message run elsewhere", needs: []Feature{Dedupes, Redelivers}, run: dedupeClosed},
	}
}

const (
	oneKey   = "charge:42"
	otherKey = "charge:43"
)

// once is the method that the cases deduplicate.
const once = "once"

func isOnce(m transports.Message) bool { return m.Method == once }

func message(key, method string) transports.Message {
	return transports.Message{Key: key, Method: method, Body: []byte(method)}
}

// runs is a handler that counts, and keeps what it answered once.
type runs struct{ n atomic.Int64 }

func (r *runs) handle(_ context.Context, m transports.Message) transports.Outcome {
	o := reply(fmt.Sprint("run ", r.n.Add(1)))
	if isOnce(m) {
		o.Keep = time.Hour
	}
	return o
}

func keep(e *env) {
	var r runs
	e.serve(e.open(), transports.Service{Slots: 1, Dedupe: isOnce, Handler: r.handle})
	for _, c := range []struct{ key, method, want string }{
		{oneKey, once, "run 1"},
		{oneKey, once, "run 1"},
		{oneKey, "again", "run 2"}, // no message to be deduplicated, so it does not look
		{otherKey, once, "run 3"},
		{otherKey, once, "run 3"},
		{oneKey, once, "run 1"},
	} {
		// Of a process of its own each: as if the first had crashed before it saw the reply.
		got, err := e.open().Call(e.patient(), service, message(c.key, c.method))
		if err != nil || string(got) != c.want {
			e.Errorf("Call %s with key %q returned %q and error %v, want %q", c.method, c.key, got, err, c.want)
		}
	}
	tr := e.open()
	e.send(tr, message(oneKey, once))
	e.send(tr, message(otherKey, once))
	e.call(tr, "marker")
	if n := r.n.Load(); n != 4 {
		e.Errorf("%d runs, want 4: what was executed before was executed again", n)
	}
	// A message without a key is like no other.
	for _, want := range []string{"run 5", "run 6"} {
		e.wantReply(receive(e, e.startMessage(e.patient(), tr, message("", once)), "the reply"), want)
	}
}

// Two methods may get the same key, such as the number of an order.
func keepPerMethod(e *env) {
	g := newGate()
	isDeduped := func(m transports.Message) bool { return m.Method != "" }
	e.serve(e.open(), transports.Service{Slots: 2, Dedupe: isDeduped, Handler: keeping(g)})
	caller := e.open()
	charge := e.startMessage(e.patient(), caller, message(oneKey, "charge"))
	receive(e, g.entered, "the first method to run")
	refund := e.startMessage(e.patient(), caller, message(oneKey, "refund"))
	receive(e, g.entered, "the second method to run beside it")
	close(g.release)
	e.wantReply(receive(e, charge, "the first reply"), "charge")
	e.wantReply(receive(e, refund, "the second reply"), "refund")
	for _, method := range []string{"charge", "refund"} {
		e.wantReply(receive(e, e.startMessage(e.patient(), caller, message(oneKey, method)), "the kept reply"), method)
	}
	if n := len(g.entered); n > 0 {
		e.Errorf("%d messages ran again", n)
	}
}

func keepEnds(e *env) {
	var n atomic.Int64
	e.serve(e.open(), transports.Service{Dedupe: isOnce, Handler: func(context.Context, transports.Message) transports.Outcome {
		o := reply("")
		n.Add(1)
		o.Keep = soon
		return o
	}})
	tr := e.open()
	e.poll("the message to run again", func() bool {
		if _, err := tr.Call(e.patient(), service, message(oneKey, once)); err != nil {
			e.Fatalf("Call: %v", err)
		}
		return n.Load() > 1
	})
}

func dedupeSlots(e *env) {
	g := newGate()
	e.serve(e.open(), transports.Service{Slots: 2, Dedupe: isOnce, Handler: keeping(g)})
	dedupeConcurrent(e, g)
}

func dedupeWorkers(e *env) {
	g := newGate()
	for range 2 {
		e.serve(e.open(), transports.Service{Slots: 1, Dedupe: isOnce, Handler: keeping(g)})
	}
	dedupeConcurrent(e, g)
}

func keeping(g *gate) transports.Handler {
	return func(ctx context.Context, m transports.Message) transports.Outcome {
		o := g.handle(ctx, m)
		o.Keep = time.Hour
		return o
	}
}

func dedupeConcurrent(e *env, g *gate) {
	first := e.startMessage(e.patient(), e.open(), message(oneKey, once))
	receive(e, g.entered, "the handler to start")
	m := message(oneKey, once)
	m.Body = []byte("the reply to this would be another")
	second := e.startMessage(e.patient(), e.open(), m)
	e.meanwhile()
	if n := len(g.entered); n > 0 {
		e.Errorf("the same message runs %d times more at once", n)
	}
	select {
	case r := <-second:
		e.Errorf("the second call returned %q and error %v while the first ran", r.reply, r.err)
	default:
	}
	close(g.release)
	e.wantReply(receive(e, first, "the first reply"), once)
	e.wantReply(receive(e, second, "the second reply"), once)
	if n := len(g.entered); n > 0 {
		e.Errorf("the same message ran %d times more", n)
	}
}

// A failure is nobody's last word: the next one tries.
func keepNothing(e *env) {
	g := newGate()
	e.serve(e.open(), transports.Service{Slots: 2, Dedupe: isOnce, Handler: g.handle})
	caller := e.open()
	first := e.startMessage(e.patient(), caller, message(oneKey, once))
	receive(e, g.entered, "the handler to start")
	m := message(oneKey, once)
	m.Body = []byte("second")
	second := e.startMessage(e.patient(), caller, m)
	e.meanwhile()
	if n := len(g.entered); n > 0 {
		e.Errorf("the same message runs %d times more at once", n)
	}
	g.release <- struct{}{}
	e.wantReply(receive(e, first, "the first reply"), once)
	receive(e, g.entered, "the second handler to start")
	g.release <- struct{}{}
	e.wantReply(receive(e, second, "the second reply"), "second")
}

func dedupeExpires(e *env) {
	g := newGate()
	e.serve(e.open(), transports.Service{Slots: 2, Dedupe: isOnce, Handler: g.handle})
	first := e.startMessage(e.patient(), e.open(), message(oneKey, once))
	receive(e, g.entered, "the handler to start")
	ctx, cancel := context.WithTimeout(e.Context(), soon)
	defer cancel()
	second := e.startMessage(ctx, e.open(), message(oneKey, once))
	e.wantError("Call", receive(e, second, "the second call to end").err, context.DeadlineExceeded)
	e.meanwhile() // a broker's clock may be a moment late
	close(g.release)
	e.wantReply(receive(e, first, "the first reply"), once)
	e.meanwhile()
	if n := len(g.entered); n > 0 {
		e.Error("the message ran after its deadline")
	}
}

func dedupeClosed(e *env) {
	g := newGate()
	first := e.open()
	e.serve(first, transports.Service{Dedupe: isOnce, Handler: keeping(g)})
	done := e.startMessage(e.patient(), e.open(), message(oneKey, once))
	receive(e, g.entered, "the handler to start")
	if err := first.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	var r runs
	e.serve(e.open(), transports.Service{Dedupe: isOnce, Handler: r.handle})
	e.wantReply(receive(e, done, "the reply of another worker"), "run 1")
}
