package transporttest

import (
	"github.com/journeyman-go/journeyman/transports"
)

func pauseCases() []testCase {
	return []testCase{
		{name: "a paused service takes nothing until it is resumed", needs: []Feature{Pauses, Durable, SharedQueue}, run: pauseService},
		{name: "a paused service finishes what it has begun", needs: []Feature{Pauses}, run: pauseFinishes},
		{name: "a name never announced cannot be paused", needs: []Feature{Pauses}, run: pauseNobody},
	}
}

func (e *env) pause(tr transports.Transport) {
	e.Helper()
	if err := tr.(transports.Pauser).Pause(e.patient(), service); err != nil {
		e.Fatalf("Pause: %v", err)
	}
}

func (e *env) resume(tr transports.Transport) {
	e.Helper()
	if err := tr.(transports.Pauser).Resume(e.patient(), service); err != nil {
		e.Fatalf("Resume: %v", err)
	}
}

// awaitPaused sends messages until one stays where it is. The workers follow
// within seconds, so the first ones may still be taken.
func (e *env) awaitPaused(tr transports.Transport, got <-chan transports.Message) {
	e.Helper()
	e.poll("the workers to follow", func() bool {
		drain(got)
		e.send(tr, transports.Message{Body: []byte("stays")})
		e.meanwhile()
		return len(got) == 0
	})
}

func pauseService(e *env) {
	tr := e.open()
	got, handler := recorder()
	e.serve(e.open(), transports.Service{Slots: 2, Handler: handler})
	e.call(tr, "before")
	receive(e, got, "the message before")
	e.pause(tr)
	e.pause(tr)
	e.awaitPaused(tr, got)
	e.serve(e.open(), transports.Service{Slots: 2, Handler: handler}) // is told too
	e.awaitPaused(tr, got)
	if !e.suite.lacks(Inspects) && !e.status(tr).Paused {
		e.Error("the inspector does not see that the service is paused")
	}

	e.resume(tr)
	e.resume(tr)
	receive(e, got, "the messages that stayed")
	if r := e.call(tr, "after"); r != "after" {
		e.Errorf("the call after it all returned %q", r)
	}
	if !e.suite.lacks(Inspects) && e.status(tr).Paused {
		e.Error("the inspector takes the resumed service for paused")
	}
}

func pauseFinishes(e *env) {
	tr := e.open()
	g := newGate()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: g.handle})
	done := e.start(e.patient(), tr, "begun")
	receive(e, g.entered, "the handler to start")
	e.pause(tr)
	g.release <- struct{}{}
	e.wantReply(receive(e, done, "the reply of a paused service"), "begun")
	e.resume(tr)
}

func pauseNobody(e *env) {
	p := e.open().(transports.Pauser)
	e.wantError("Pause", p.Pause(e.patient(), "nobody"), transports.ErrNoService)
	e.wantError("Resume", p.Resume(e.patient(), "nobody"), transports.ErrNoService)
}
