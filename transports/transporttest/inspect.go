package transporttest

import (
	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func inspectCases() []testCase {
	return []testCase{
		{name: "an inspector sees announced services, workers and queues", needs: []Feature{Inspects, Durable}, run: inspects},
		{name: "an inspector sees what is in flight", needs: []Feature{Inspects}, run: inspectsInFlight},
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
		if len(s.Workers) != 0 {
			e.Errorf("%s has workers before any was started: %+v", s.Name, s.Workers)
		}
	}
	if diff := cmp.Diff([]string{"aardvark", service, "zebra"}, names); diff != "" {
		e.Fatalf("services (-want +got):\n%s", diff)
	}

	for range 3 {
		e.send(viewer, transports.Message{})
	}
	if s := e.status(viewer); s.Waiting != nil && *s.Waiting != 3 {
		e.Errorf("%d messages wait, want 3", *s.Waiting)
	}

	methods := []string{"add", "divide"}
	first := e.serve(e.open(), transports.Service{Slots: 7, Methods: methods, Handler: echo})
	second := e.serve(e.open(), transports.Service{Slots: 7, Methods: methods, Handler: echo})
	e.poll("both workers to be listed and the queue to be empty", func() bool {
		s := e.status(viewer)
		return len(s.Workers) == 2 && (s.Waiting == nil || *s.Waiting == 0)
	})
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
