package transporttest

import (
	"bytes"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func bodyCases() []testCase {
	return []testCase{
		{name: "bodies arrive byte for byte", run: bodiesArrive},
		{name: "a message arrives with what its sender set", run: messageArrives},
		{name: "each message has an id of its own", run: idsAreUnique},
		{name: "a line break in a header is refused", run: headerLineBreak},
		{name: "a body over the limit is refused", run: tooLarge},
	}
}

func bodiesArrive(e *env) {
	tr := e.open()
	e.serve(tr, transports.Service{Handler: echo})

	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, c := range []struct{ name, body string }{
		{"JSON", `{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}`},
		{"empty", ""},
		{"line breaks alone", "\n\r\n\n"},
		{"looks like a header", "Id: 1\r\n\r\nbody"},
		{"every byte value", string(every)},
		{"1 MiB", strings.Repeat(string(every), 4096)},
	} {
		if got := e.call(tr, c.body); got != c.body {
			e.Errorf("%s: %d bytes came back as %d: %.60q", c.name, len(c.body), len(got), got)
		}
	}
}

func messageArrives(e *env) {
	tr := e.open()
	got, handler := recorder()
	e.serve(tr, transports.Service{Handler: handler})

	sent := transports.Message{
		ID:     "0c7cf3a5-6f0a-4f4e-9d7b-1d2f3a4b5c6d",
		Key:    "order:42",
		Method: "add",
		Body:   []byte("[1,5.1]"),
		Header: map[string]string{
			"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
			"principal":   "Zoë: a=b; c",
			"empty":       "",
		},
		Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond),
	}
	before := time.Now()
	if _, err := tr.Call(e.patient(), service, sent); err != nil {
		e.Fatalf("Call: %v", err)
	}
	m := receive(e, got, "the message")
	if diff := cmp.Diff(sent.Header, m.Header); diff != "" {
		e.Errorf("headers (-sent +received):\n%s", diff)
	}
	if m.ID != sent.ID || m.Method != sent.Method || !bytes.Equal(m.Body, sent.Body) {
		e.Errorf("received id %q, method %q, body %q; sent %q, %q, %q", m.ID, m.Method, m.Body, sent.ID, sent.Method, sent.Body)
	}
	if m.Key != sent.Key {
		e.Errorf("received key %q, sent %q", m.Key, sent.Key)
	}
	if off := m.Expires.Sub(sent.Expires).Abs(); off > time.Second {
		e.Errorf("expires at %v, sent %v", m.Expires, sent.Expires)
	}
	if m.Failures != 0 || m.Redelivered {
		e.Errorf("a first delivery has %d failures, redelivered %v", m.Failures, m.Redelivered)
	}
	// A second for a clock that is not ours, and for one that counts seconds.
	if !m.Enqueued.IsZero() && (m.Enqueued.Before(before.Add(-time.Second)) || m.Enqueued.After(time.Now().Add(time.Second))) {
		e.Errorf("enqueued at %v, but sent at %v", m.Enqueued, before)
	}
}

func idsAreUnique(e *env) {
	tr := e.open()
	got, handler := recorder()
	e.serve(tr, transports.Service{Handler: handler})

	seen := map[string]bool{}
	for range 100 {
		e.call(tr, "x")
		m := receive(e, got, "the message")
		if m.ID == "" || seen[m.ID] {
			e.Fatalf("id %q is empty or was seen before", m.ID)
		}
		if m.Key != m.ID {
			e.Errorf("key %q of a message that was sent without one, want its id %q", m.Key, m.ID)
		}
		seen[m.ID] = true
	}
}

// A header that carries its own line break could bring a second header, a
// reply address for instance, past everything that checks them.
func headerLineBreak(e *env) {
	tr := e.open()
	e.serve(tr, transports.Service{Handler: echo})
	for _, header := range []map[string]string{
		{"principal": "alice\nreply-to: elsewhere"},
		{"principal": "alice\rreply-to: elsewhere"},
		{"principal\nreply-to": "elsewhere"},
	} {
		if err := tr.Send(e.patient(), service, transports.Message{Header: header}); err == nil {
			e.Errorf("Send accepted the header %q", header)
		}
		if _, err := tr.Call(e.patient(), service, transports.Message{Header: header}); err == nil {
			e.Errorf("Call accepted the header %q", header)
		}
	}
}

func tooLarge(e *env) {
	const limit = 64 << 10
	tr := e.openWith(Options{Catalogue: []string{service}, MaxMessage: limit})
	got, handler := recorder()
	e.serve(tr, transports.Service{Handler: handler})

	m := transports.Message{Body: make([]byte, limit+1)}
	_, err := tr.Call(e.patient(), service, m)
	e.wantError("Call over the limit", err, transports.ErrTooLarge)
	e.wantError("Send over the limit", tr.Send(e.patient(), service, m), transports.ErrTooLarge)

	if half := strings.Repeat("x", limit/2); e.call(tr, half) != half {
		e.Error("a body of half the limit did not come back")
	}
	if n := len(drain(got)); n != 1 {
		e.Errorf("%d messages arrived, want only the one below the limit", n)
	}
}
