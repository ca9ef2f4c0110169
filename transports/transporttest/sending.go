package transporttest

import (
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func sendCases() []testCase {
	return []testCase{
		{name: "NotBefore holds a message back", needs: []Feature{Delays}, run: notBefore},
		{name: "Unique drops a second message while the first waits", needs: []Feature{Unique, Durable}, run: unique},
		{name: "what is not supported is refused", run: refuses},
	}
}

func notBefore(e *env) {
	type arrival struct {
		m  transports.Message
		at time.Time
	}
	tr := e.open()
	got, handler := recorder()
	e.serve(tr, transports.Service{Handler: handler})
	due := time.Now().Add(soon).Truncate(time.Millisecond)
	e.send(tr, transports.Message{Body: []byte("later"), NotBefore: due})
	e.send(tr, transports.Message{Body: []byte("past"), NotBefore: time.Now().Add(-time.Hour)})
	arrived := map[string]arrival{}
	for range 2 {
		m := receive(e, got, "both messages")
		arrived[string(m.Body)] = arrival{m, time.Now()}
	}
	a, ok := arrived["later"]
	if !ok || len(arrived) != 2 {
		e.Fatalf("arrived: %v", arrived)
	}
	// A broker counts whole milliseconds.
	if a.at.Before(due.Add(-2 * time.Millisecond)) {
		e.Errorf("arrived %v before it was due", due.Sub(a.at))
	}
	if a.m.Failures != 0 || a.m.Redelivered {
		e.Errorf("a delayed message has %d failures, redelivered %v", a.m.Failures, a.m.Redelivered)
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

// A wire that cannot delay must not deliver at once and call that a success.
func refuses(e *env) {
	tr := e.open()
	e.serve(tr, transports.Service{Handler: echo})
	for f, m := range map[Feature]transports.Message{
		Delays: {NotBefore: time.Now().Add(soon)},
		Unique: {Unique: "report:42"},
	} {
		err := tr.Send(e.patient(), service, m)
		if want := e.suite.lacks(f); errors.Is(err, transports.ErrUnsupported) != want || (err != nil) != want {
			e.Errorf("%s is listed as lacking: %v; but Send returned error %v", f, want, err)
		}
	}
}
