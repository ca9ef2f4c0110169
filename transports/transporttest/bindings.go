package transporttest

import (
	"context"
	"errors"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

func bindingCases() []testCase {
	return []testCase{
		{name: "a bound method has workers of its own", needs: []Feature{Binds, Durable}, run: bound},
		{name: "Serve refuses bindings that it cannot keep", run: refusesBindings},
	}
}

func bound(e *env) {
	const slow, fast = "factor", "add"
	slowly, slowHandler := recorder()
	s := e.serve(e.open(), transports.Service{Handler: slowHandler, Bindings: []string{slow}})
	tr := e.open()
	// What is sent before that goes where it always went.
	e.poll("the method to be bound", func() bool {
		e.send(tr, transports.Message{Method: slow, Body: []byte("early")})
		select {
		case <-slowly:
			return true
		case <-time.After(soon):
			return false
		}
	})
	quickly, everything := recorder()
	e.serve(e.open(), transports.Service{Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "early" {
			return echo(ctx, m)
		}
		return everything(ctx, m)
	}})
	for range 10 {
		for _, method := range []string{slow, fast, ""} {
			e.send(tr, transports.Message{Method: method, Body: []byte(method)})
		}
	}
	for range 10 {
		m := receive(e, slowly, "calls of the bound method")
		for string(m.Body) == "early" {
			m = receive(e, slowly, "calls of the bound method")
		}
		if m.Method != slow {
			e.Errorf("the worker of %s was given %q", slow, m.Method)
		}
		for range 2 {
			if m := receive(e, quickly, "other calls"); m.Method == slow {
				e.Errorf("the other worker was given %q", m.Method)
			}
		}
	}

	// Its queue stays when its worker goes, and nobody else takes from it.
	if err := s.stop(e); err != nil {
		e.Errorf("Serve: %v", err)
	}
	done := e.startMessage(e.patient(), tr, transports.Message{Method: slow, Body: []byte("waits")})
	e.meanwhile()
	if len(quickly) > 0 {
		e.Errorf("the other worker was given %+v", <-quickly)
	}
	e.serve(e.open(), transports.Service{Handler: slowHandler, Bindings: []string{slow}})
	e.wantReply(receive(e, done, "the reply of the next worker"), "waits")
}

func refusesBindings(e *env) {
	if !e.suite.lacks(Binds) {
		return
	}
	err := e.open().Serve(e.patient(), transports.Service{Name: service, Handler: echo, Bindings: []string{"factor"}})
	if !errors.Is(err, transports.ErrUnsupported) {
		e.Errorf("Serve with bindings returned %v, want ErrUnsupported", err)
	}
}
