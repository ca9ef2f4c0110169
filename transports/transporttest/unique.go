package transporttest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func uniqueCases() []testCase {
	return []testCase{
		{name: "Unique drops a second message while the first waits", needs: []Feature{Unique, Durable}, run: unique},
		{name: "Unique drops nothing once the handler has started", needs: []Feature{Unique, Durable}, run: uniqueStarted},
		{name: "Unique holds while a message is held back", needs: []Feature{Unique, Delays}, run: uniqueDelayed},
	}
}

func unique(e *env) {
	sender := e.open()
	for _, body := range []string{"kept", "dropped", "dropped too"} {
		e.send(sender, transports.Message{Body: []byte(body), Unique: "report:42"})
	}
	e.send(sender, transports.Message{Body: []byte("another key"), Unique: "report:43"})
	got, handler := recorder()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: handler})
	e.call(sender, "marker")
	if diff := cmp.Diff([]string{"kept", "another key", "marker"}, drain(got)); diff != "" {
		e.Errorf("executed (-want +got):\n%s", diff)
	}
	// None waits any more: the key is free.
	e.send(sender, transports.Message{Body: []byte("again"), Unique: "report:42"})
	e.call(sender, "marker")
	if diff := cmp.Diff([]string{"again", "marker"}, drain(got)); diff != "" {
		e.Errorf("executed after the first had run (-want +got):\n%s", diff)
	}
}

// A job that collects what there is must run once more for what came after it began.
func uniqueStarted(e *env) {
	sender := e.open()
	g := newGate()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: g.handle})
	send := func(body string) { e.send(sender, transports.Message{Body: []byte(body), Unique: "report:42"}) }
	send("first")
	receive(e, g.entered, "the handler to start")
	send("second")
	send("dropped")
	g.release <- struct{}{}
	if m := receive(e, g.entered, "the second message"); string(m.Body) != "second" {
		e.Errorf("executed %q, want what was sent while the first ran", m.Body)
	}
	close(g.release)
	e.call(sender, "marker")
	if diff := cmp.Diff([]string{"marker"}, drain(g.entered)); diff != "" {
		e.Errorf("executed after the second (-want +got):\n%s", diff)
	}
}

func uniqueDelayed(e *env) {
	sender := e.open()
	got, handler := recorder()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: handler})
	send := func(body string, notBefore time.Time) {
		e.send(sender, transports.Message{Body: []byte(body), Unique: "report:42", NotBefore: notBefore})
	}
	// Long enough for the other two to be sent while it waits, also on a busy machine.
	send("kept", time.Now().Add(8*soon))
	send("dropped", time.Time{})
	send("dropped too", time.Now().Add(9*soon))
	if m := receive(e, got, "the first message"); string(m.Body) != "kept" {
		e.Fatalf("executed %q, want the one that was sent first", m.Body)
	}
	send("again", time.Time{})
	if m := receive(e, got, "the next message"); string(m.Body) != "again" {
		e.Errorf("executed %q, want the one that was sent after the first had run", m.Body)
	}
}
