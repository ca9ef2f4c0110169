package httprpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

// While a process stops it says so, to old and new connections, and finishes what runs.
func TestStoppingAnswers503(t *testing.T) {
	t.Parallel()
	p, g := newSite().start(t, Options{}, nil), newGate()
	v := serve(t, p, transports.Service{Name: "calculator", Slots: 1, Handler: g.handle})
	replies := make(chan seen, 2)
	go func() { replies <- ask(t, p, "POST", "/rpc/calculator", add, nil) }()
	receive(t, g.entered, "the handler to start")
	waiting := make(chan seen, 1)
	go func() { waiting <- ask(t, p, "POST", "/rpc/calculator", add, nil) }()
	poll(t, "a second call to wait", func() bool { return inside(p) == 2 })
	v.stop()
	draining := seen{503, "draining", nil, refusals(refusedDraining).text + "\n", true}
	got := receive(t, waiting, "the waiting call to be sent elsewhere")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("header of a refusal: %v", got.header)
	}
	got.header = nil
	if diff := cmp.Diff(draining, got, cmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("the call that waited (-want +got):\n%s", diff)
	}
	got = ask(t, p, "POST", "/rpc/calculator", add, nil)
	got.header = nil
	if diff := cmp.Diff(draining, got, cmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("a new call (-want +got):\n%s", diff)
	}
	if got := ask(t, p, "GET", "/readyz", "", nil); got.status != 503 || !strings.Contains(got.body, "stopping") {
		t.Errorf("/readyz: %d %q", got.status, got.body)
	}
	if got := ask(t, p, "GET", "/livez", "", nil); got.status != 200 {
		t.Errorf("/livez: %d", got.status)
	}
	g.release <- struct{}{}
	if got := receive(t, replies, "the reply"); got.status != 200 || !got.last {
		t.Errorf("the call that ran: %d, last on its connection: %v", got.status, got.last)
	}
	if err := v.wait(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// A stop waits for messages that nobody waits for, and whose turn has not come yet.
func TestStopFinishesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	s := newSite()
	p, g := s.start(t, Options{}, func(inner *internals) { inner.linger = 0 }), newGate()
	v := serve(t, p, transports.Service{Name: "calculator", Slots: 1, Handler: g.handle})
	tr := s.start(t, Options{Catalogue: []string{"calculator"}}, nil)
	t.Cleanup(func() { tr.Close() })
	for n := range 3 {
		if err := tr.Send(patient(t), "calculator", transports.Message{Body: fmt.Append(nil, n)}); err != nil {
			t.Fatal(err)
		}
	}
	v.stop()
	for range 3 {
		receive(t, g.entered, "what was accepted to run")
		for range 20 { // a door that shuts too early has the time to do it
			if got := ask(t, p, "POST", "/rpc/calculator", add, nil); got.refused != refusedDraining {
				t.Fatalf("a new call was answered %d, %q", got.status, got.refused)
			}
		}
		select {
		case err := <-v.done:
			t.Fatalf("Serve returned %v before all was done", err)
		default:
		}
		g.release <- struct{}{}
	}
	if err := v.wait(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if c := p.Counts(); c.Lost != 0 {
		t.Errorf("%d messages were lost", c.Lost)
	}
}

// Close names what it cuts off.
func TestCloseNamesWhatIsLost(t *testing.T) {
	t.Parallel()
	s, log := newSite(), &buffer{}
	p, g := s.start(t, Options{Log: log.log()}, nil), newGate()
	v := serve(t, p, transports.Service{Name: "calculator", Slots: 1, Handler: g.handle})
	tr := s.start(t, Options{Catalogue: []string{"calculator"}}, nil)
	t.Cleanup(func() { tr.Close() })
	for _, id := range []string{"running", "waiting"} {
		if err := tr.Send(patient(t), "calculator", transports.Message{ID: "is-" + id, Key: "key-" + id, Method: "add"}); err != nil {
			t.Fatal(err)
		}
	}
	receive(t, g.entered, "one to run")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"id=is-running", "id=is-waiting", "key=key-waiting", "method=add", "message lost"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
	if err := receive(t, g.ended, "the handler's context to end"); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if err := v.wait(t); !errors.Is(err, transports.ErrClosed) {
		t.Errorf("Serve: %v, want ErrClosed", err)
	}
	if c := p.Counts(); c.Lost != 2 || len(g.entered) != 0 {
		t.Errorf("%d lost and %d begun after Close, want 2 and none", c.Lost, len(g.entered))
	}
}

// Also while slots are free.
func TestStoppedDeskTakesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t.Context(), transports.Service{Name: "calculator", Slots: 1}, Options{MaxMessage: 1000, MaxQueue: 1})
	d.stop()
	d.stop() // as when Close and the end of Serve's context meet
	if word := d.admit(1); word != refusedDraining {
		t.Errorf("a stopped desk answers %q, want %q", word, refusedDraining)
	}
}
