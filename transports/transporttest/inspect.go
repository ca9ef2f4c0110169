package transporttest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func inspectCases() []testCase {
	return []testCase{
		{name: "an inspector sees announced services and queues", needs: []Feature{Inspects, Durable}, run: inspects},
		{name: "an inspector describes workers", needs: []Feature{Describes}, run: describes},
		{name: "an inspector sees what is in flight", needs: []Feature{Inspects}, run: inspectsInFlight},
		{name: "an inspector sees how long the next message has waited", needs: []Feature{Inspects, Durable}, run: inspectsOldest},
		{name: "an inspector tells what waits for what", needs: []Feature{Inspects, Durable, Delays, Retries, Buries, Suspects}, run: inspectsParts},
		{name: "a locator counts those who serve a method", needs: []Feature{Locates, SharedQueue}, run: locates},
		{name: "a broker that is up answers a ping", needs: []Feature{Pings}, run: pings},
	}
}

// status returns what tr knows of service, nil if it does not know it.
func (e *env) status(tr transports.Transport) *transports.ServiceStatus {
	e.Helper()
	all, err := tr.(transports.Inspector).Services(e.patient())
	if err != nil {
		e.Fatalf("Services: %v", err)
	}
	for _, s := range all {
		if s.Name == service {
			return &s
		}
	}
	return nil
}

func inspects(e *env) {
	viewer := e.open("zebra", service, "aardvark")
	all, err := viewer.(transports.Inspector).Services(e.patient())
	if err != nil {
		e.Fatalf("Services: %v", err)
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
		if !is(s.Consumers, 0) || len(s.Workers) != 0 {
			e.Errorf("%s has workers before any was started: %+v", s.Name, s)
		}
	}
	if diff := cmp.Diff([]string{"aardvark", service, "zebra"}, names); diff != "" {
		e.Fatalf("services (-want +got):\n%s", diff)
	}

	for range 3 {
		e.send(viewer, transports.Message{})
	}
	// A broker may count behind its own back.
	e.poll("three messages to wait", func() bool { return is(e.status(viewer).Waiting, 3) })
	s := e.serve(e.open(), transports.Service{Handler: echo})
	e.poll("a worker to be counted and the queue to be empty", func() bool {
		s := e.status(viewer)
		return is(s.Consumers, 1) && is(s.Waiting, 0)
	})
	if err := s.stop(e); err != nil {
		e.Errorf("Serve: %v", err)
	}
	e.poll("no worker to be counted", func() bool { return is(e.status(viewer).Consumers, 0) })
}

func describes(e *env) {
	viewer := e.open()
	methods := []string{"add", "divide"}
	first := e.serve(e.open(), transports.Service{Slots: 7, Methods: methods, Handler: echo})
	second := e.serve(e.open(), transports.Service{Slots: 7, Methods: methods, Handler: echo})
	e.poll("both workers to be listed", func() bool { return len(e.status(viewer).Workers) == 2 })
	ids := map[string]bool{}
	for _, w := range e.status(viewer).Workers {
		ids[w.ID] = true
		if w.Slots != 7 || w.Started.IsZero() || !cmp.Equal(w.Methods, methods) {
			e.Errorf("worker listed as %+v, want 7 slots, the methods %q and a start time", w, methods)
		}
	}
	if len(ids) != 2 || ids[""] {
		e.Errorf("worker ids %v, want two different ones", ids)
	}
	for _, s := range []*server{first, second} {
		if err := s.stop(e); err != nil {
			e.Errorf("Serve: %v", err)
		}
	}
	e.poll("the workers to be gone from the list", func() bool { return len(e.status(viewer).Workers) == 0 })
}

func inspectsInFlight(e *env) {
	tr := e.open()
	g := newGate()
	e.serve(tr, transports.Service{Handler: g.handle})
	done := e.start(e.patient(), tr, "x")
	receive(e, g.entered, "the handler to start")
	if s := e.status(tr); s == nil || s.InFlight != nil && *s.InFlight != 1 {
		e.Errorf("status while one message runs: %+v", s)
	}
	g.release <- struct{}{}
	e.wantReply(receive(e, done, "the reply"), "x")
	e.poll("nothing to be in flight", func() bool {
		s := e.status(tr)
		return s != nil && (s.InFlight == nil || *s.InFlight == 0)
	})
}

// is reports whether p is n, or what the broker cannot tell.
func is(p *int64, n int64) bool { return p == nil || *p == n }

func inspectsOldest(e *env) {
	viewer := e.open()
	before := time.Now()
	e.send(viewer, transports.Message{Body: []byte("oldest")})
	if s := e.status(viewer); s.Oldest != nil && !recent(*s.Oldest, before) {
		e.Errorf("the oldest message was sent at %v, not since %v", *s.Oldest, before)
	}
	e.serve(e.open(), transports.Service{Handler: echo})
	e.call(viewer, "x")
	e.poll("no message to be the oldest", func() bool { return e.status(viewer).Oldest == nil })
}

func inspectsParts(e *env) {
	viewer := e.open()
	g := newGate()
	entered := make(chan struct{}, 64)
	s := e.serve(e.open(), transports.Service{Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		entered <- struct{}{}
		switch string(m.Body) {
		case "fails":
			return transports.Outcome{Verdict: transports.Retry, After: time.Hour}
		case "buried":
			return transports.Outcome{Verdict: transports.Bury}
		case "suspect":
			g.handle(ctx, m)
			return transports.Outcome{Verdict: transports.Suspect}
		}
		return echo(ctx, m)
	}})
	for range 4 {
		e.send(viewer, transports.Message{NotBefore: time.Now().Add(time.Hour)})
	}
	for body, n := range map[string]int{"fails": 3, "buried": 2, "suspect": 1} {
		for range n {
			e.send(viewer, transports.Message{Body: []byte(body)})
		}
	}
	// A worker that has been told to stop does not take the suspect again.
	for range 3 + 2 + 1 {
		receive(e, entered, "the messages to run")
	}
	e.poll("the others to be settled", func() bool { return is(e.status(viewer).InFlight, 1) })
	s.cancel()
	g.release <- struct{}{}
	if err := s.wait(e); err != nil {
		e.Errorf("Serve: %v", err)
	}
	for range 5 {
		e.send(viewer, transports.Message{Body: []byte("waits")})
	}

	var last transports.ServiceStatus
	defer func() {
		if e.Failed() {
			shown, _ := json.Marshal(last)
			e.Logf("status: %s", shown)
		}
	}()
	e.poll("each to be counted where it waits", func() bool {
		last = *e.status(viewer)
		return is(last.Waiting, 5) && is(last.Delayed, 4) && is(last.Retries, 3) &&
			is(last.Dead, 2) && is(last.Suspects, 1) && is(last.InFlight, 0)
	})
}

func locates(e *env) {
	viewer := e.open()
	l := viewer.(transports.Locator)
	await := func(want map[string]int) {
		e.Helper()
		got := map[string]int{}
		defer func() {
			if e.Failed() {
				e.Logf("workers by method: %v", got)
			}
		}()
		e.poll(fmt.Sprint("the methods to be served by ", want), func() bool {
			for method := range want {
				n, err := l.Serving(e.patient(), service, method)
				if err != nil {
					e.Fatalf("Serving: %v", err)
				}
				got[method] = n
			}
			return cmp.Equal(want, got)
		})
	}
	await(map[string]int{"old": 0, "new": 0})
	first := e.serve(e.open(), transports.Service{Methods: []string{"old"}, Handler: echo})
	e.serve(e.open(), transports.Service{Methods: []string{"old", "new"}, Handler: echo})
	await(map[string]int{"old": 2, "new": 1, "none": 0})
	if err := first.stop(e); err != nil {
		e.Errorf("Serve: %v", err)
	}
	await(map[string]int{"old": 1, "new": 1, "none": 0})
}

func pings(e *env) {
	tr := e.open()
	p := tr.(transports.Pinger)
	if err := p.Ping(e.patient()); err != nil {
		e.Errorf("Ping: %v", err)
	}
	if err := tr.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	e.wantError("Ping after Close", p.Ping(e.patient()), transports.ErrClosed)
}
