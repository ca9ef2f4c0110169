package transporttest

import (
	"errors"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

func sendCases() []testCase {
	return []testCase{
		{name: "NotBefore holds a message back", needs: []Feature{Delays}, run: notBefore},
		{name: "a name that nobody announced cannot be sent to", run: sendToNobody},
		{name: "what is not supported is refused", run: refuses},
	}
}

func sendToNobody(e *env) {
	ctx := e.patient()
	e.wantError("Send", e.open().Send(ctx, "nobody", transports.Message{Body: []byte("x")}), transports.ErrNoService)
	if ctx.Err() != nil {
		e.Error("the refusal took until the deadline")
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
	// The call that was dropped would wait for a reply that nobody owes it.
	_, err := tr.Call(e.patient(), service, transports.Message{Unique: "report:42"})
	e.wantError("Call with Unique", err, transports.ErrUnsupported)
	if e.suite.lacks(Dedupes) {
		err := e.open().Serve(e.patient(), transports.Service{
			Name: service, Handler: echo, Dedupe: func(transports.Message) bool { return false },
		})
		e.wantError("Serve with Dedupe", err, transports.ErrUnsupported)
	}
}
