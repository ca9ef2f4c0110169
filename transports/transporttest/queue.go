package transporttest

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func queueCases() []testCase {
	return []testCase{
		{name: "messages wait for the first worker, in order", needs: []Feature{Durable}, run: sentBefore},
		{name: "two workers share a name", needs: []Feature{SharedQueue}, run: twoWorkers},
		{name: "slots are reached and never exceeded", run: slots},
		{name: "the default is many slots", run: defaultSlots},
	}
}

func sentBefore(e *env) {
	sender := e.open()
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprint("message ", i))
		e.send(sender, transports.Message{Body: []byte(want[i])})
	}
	// The sender may go: the messages stay.
	if err := sender.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	got, handler := recorder()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: handler})
	var bodies []string
	for range want {
		bodies = append(bodies, string(receive(e, got, "the messages").Body))
	}
	if diff := cmp.Diff(want, bodies); diff != "" {
		e.Errorf("executed in the wrong order (-sent +executed):\n%s", diff)
	}
}

func twoWorkers(e *env) {
	// Each worker has one slot and holds it, so that the second message can
	// only be taken by the other.
	first, second := newGate(), newGate()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: first.handle})
	e.serve(e.open(), transports.Service{Slots: 1, Handler: second.handle})
	caller := e.open()
	a := e.start(e.patient(), caller, "a")
	b := e.start(e.patient(), caller, "b")
	receive(e, first.entered, "the first worker to get work")
	receive(e, second.entered, "the second worker to get work")
	first.release <- struct{}{}
	second.release <- struct{}{}
	e.wantReply(receive(e, a, "the reply to a"), "a")
	e.wantReply(receive(e, b, "the reply to b"), "b")
}

func slots(e *env) {
	const want, messages = 4, 32
	var running, most atomic.Int64
	g := newGate()
	tr := e.open()
	e.serve(tr, transports.Service{Slots: want, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		defer running.Add(-1)
		for n := running.Add(1); ; {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		return g.handle(ctx, m)
	}})
	caller := e.open()
	var calls []<-chan result
	for range messages {
		calls = append(calls, e.start(e.patient(), caller, "x"))
	}
	for range want {
		receive(e, g.entered, "all slots to be in use at once")
	}
	e.meanwhile() // a worker that takes too much has the time to do it
	close(g.release)
	for _, done := range calls {
		e.wantReply(receive(e, done, "the replies"), "x")
	}
	if n := most.Load(); n != want {
		e.Errorf("%d handlers ran at once, want exactly %d", n, want)
	}
}

func defaultSlots(e *env) {
	tr := e.open()
	g := newGate()
	e.serve(tr, transports.Service{Handler: g.handle})
	var calls []<-chan result
	for range transports.DefaultSlots {
		calls = append(calls, e.start(e.patient(), tr, "x"))
	}
	for range transports.DefaultSlots {
		receive(e, g.entered, fmt.Sprintf("%d handlers to run at once", transports.DefaultSlots))
	}
	close(g.release)
	for _, done := range calls {
		e.wantReply(receive(e, done, "the replies"), "x")
	}
}
