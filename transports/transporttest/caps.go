package transporttest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/journeyman-go/journeyman/transports"
)

func capCases() []testCase {
	return []testCase{
		{name: "a full queue refuses at once", needs: []Feature{Caps, Durable}, run: fullQueue},
		{name: "many senders fill a queue to the last place", needs: []Feature{Caps, Durable}, run: fillQueue},
	}
}

func fullQueue(e *env) {
	const most = 3
	tr := e.openWith(Options{Catalogue: []string{service, "other"}, MaxQueue: most})
	for range most {
		e.send(tr, transports.Message{Body: []byte("waits")})
	}
	ctx := e.patient()
	_, err := tr.Call(ctx, service, transports.Message{Body: []byte("refused")})
	e.wantError("Call beyond the limit", err, transports.ErrBusy)
	e.wantError("Send beyond the limit", tr.Send(ctx, service, transports.Message{Body: []byte("refused")}), transports.ErrBusy)
	if ctx.Err() != nil {
		e.Error("the refusal took until the deadline")
	}
	if err := tr.Send(ctx, "other", transports.Message{}); err != nil {
		e.Errorf("Send to a service whose queue is empty: %v", err)
	}

	g := newGate()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: g.handle})
	receive(e, g.entered, "the first message to be taken")
	e.send(tr, transports.Message{Body: []byte("in its place")})
	close(g.release)
	for _, want := range []string{"waits", "waits", "in its place"} {
		if m := receive(e, g.entered, "the messages that were accepted"); string(m.Body) != want {
			e.Errorf("executed %q, want %q", m.Body, want)
		}
	}
	e.call(tr, "there is room")
}

func fillQueue(e *env) {
	const most, processes, each = 50, 4, 25
	ctx := e.patient()
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for range processes {
		tr := e.openWith(Options{Catalogue: []string{service}, MaxQueue: most})
		for range each {
			wg.Go(func() {
				switch err := tr.Send(ctx, service, transports.Message{Body: []byte("x")}); {
				case err == nil:
					accepted.Add(1)
				case !errors.Is(err, transports.ErrBusy):
					e.Errorf("Send: %v", err)
				}
			})
		}
	}
	wg.Wait()
	if n := accepted.Load(); n != most {
		e.Errorf("%d messages were accepted, the limit is %d", n, most)
	}
	var ran atomic.Int64
	e.serve(e.open(), transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "x" {
			ran.Add(1)
		}
		return echo(ctx, m)
	}})
	e.poll("there to be room for a marker", func() bool { return ran.Load() > 0 })
	e.call(e.open(), "marker")
	if n := ran.Load(); n != most {
		e.Errorf("%d messages ran, %d were accepted", n, most)
	}
}
