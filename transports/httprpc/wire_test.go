package httprpc

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
	testquick "testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

// Whatever a value holds, it arrives as it was, in one header.
func TestValuesArrive(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "plain", "order:42", "a b", " edge ", "50%", "%41", "zoë", "a\r\nb: c", "\x00\x7f\xff", "~!\"'"} {
		e := encode(s)
		if decode(e) != s || strings.ContainsFunc(e, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q is encoded as %q and decoded as %q", s, e, decode(e))
		}
	}
	for foreign, want := range map[string]string{"50% off": "50% off", "100%": "100%", "%zz": "%zz", "a+b": "a+b"} {
		if got := decode(foreign); got != want {
			t.Errorf("a stranger's %q is read as %q, want %q", foreign, got, want)
		}
	}
	if err := testquick.Check(func(s string) bool { return decode(encode(s)) == s }, nil); err != nil {
		t.Error(err)
	}
}

// A message survives the way over the wire, whatever its parts hold; nothing in it can
// become a header of its own.
func TestMessageSurvives(t *testing.T) {
	t.Parallel()
	tr := caller(t, "http://calculator.test", nil)
	a, err := tr.address("calculator")
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]transports.Message{
		"bare": {ID: "1"},
		"odd": {
			ID: "a b\r\nJourneyman-Timeout: 1", Method: "add\r\n", Key: "\x00", Body: []byte("body"),
			Header: map[string]string{"empty": "", "odd": " Zoë: \t%41", "n-1": "x", "timeout": "1", "id": "2"},
		},
		"trace":        {ID: "1", Header: map[string]string{"traceparent": "00-a-b-01", "tracestate": "a=1,b=2", "baggage": "k=ë", "x-request-id": "r1"}},
		"spaced trace": {ID: "1", Header: map[string]string{"traceparent": " 00 ", "tracestate": ""}},
	} {
		head, err := tr.head(nil, a, &m, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(head, m.Body...))))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		now := time.Now()
		got, async, err := decodeMessage(r.Header, now)
		got.Body, m.Enqueued = m.Body, now
		if diff := cmp.Diff(m, got); diff != "" || err != nil || async || r.ContentLength != int64(len(m.Body)) {
			t.Errorf("%s: error %v, async %v, message (-sent +received):\n%s", name, err, async, diff)
		}
	}
}

func TestHeadersAreChecked(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"": "x", "Upper": "x", "a_b": "x", "a b": "x", "a:b": "x", "a\nb": "x", "ë": "x", "a": "line\nbreak", "b": "carriage\rreturn",
		"traceparent": "00\r\nx: y",
	} {
		if _, err := appendHeaders(nil, &transports.Message{Header: map[string]string{name: value}}, 0); err == nil {
			t.Errorf("the header %q: %q was accepted", name, value)
		}
	}
}

// The time that remains is never rounded down to what is over sooner.
func TestMillis(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int64{1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 25 * time.Second: 25000} {
		if got := millis(d); got != want {
			t.Errorf("%v is %d ms on the wire, want %d", d, got, want)
		}
	}
}

// FuzzRequest feeds a server's reading of requests whatever net/http lets through.
func FuzzRequest(f *testing.F) {
	const post = "POST /rpc/calculator HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
	for _, s := range []string{
		post + "\r\n[]",
		post + "Journeyman-Timeout: 25000\r\nJourneyman-Id: a%20b\r\nPrefer: respond-async\r\n\r\n[]",
		post + "Journeyman-Timeout: 99999999999999999999\r\n\r\n[]",
		post + "Journeyman-Header-Principal: zo%C3%AB\r\nJourneyman-Header-: x\r\nTraceparent: 00-a\r\nTracestate: a\r\nTracestate: b\r\n\r\n[]",
		post + "Authorization: Bearer key\r\nIdempotency-Key: %\r\nOrigin: null\r\n\r\n[]",
		"GET /rpc/calculator HTTP/1.0\r\n\r\n",
		"POST /rpc/%63alculator HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
		"POST //rpc/calculator HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n[]",
	} {
		f.Add(s)
	}
	tr, err := open(Options{MaxMessage: 1000}, quick())
	if err != nil {
		f.Fatal(err)
	}
	defer tr.Close()
	at := &door{desks: map[string]*desk{"calculator": newDesk(f.Context(), transports.Service{Name: "calculator", Slots: 1, Handler: echo}, tr.options)}}
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		d, refusal := tr.admit(at, r)
		if (d == nil) == (refusal == nil) {
			t.Fatalf("admitted to %v and refused with %+v", d, refusal)
		}
		if refusal == nil {
			if r.Method != http.MethodPost || r.ContentLength > 1000 {
				t.Errorf("admitted %s with %d bytes", r.Method, r.ContentLength)
			}
			var m transports.Message
			if m, _, refusal = tr.read(nil, r, time.Now()); refusal == nil {
				checkRead(t, m)
				return
			}
		}
		if refusal.status < 400 || refusal.word == "" || strings.ContainsAny(refusal.text, "\r\n") {
			t.Errorf("refused with %+v", refusal)
		}
	})
}

// checkRead holds a message that was read to what handlers rely on.
func checkRead(t *testing.T, m transports.Message) {
	t.Helper()
	if m.ID == "" || m.Key == "" || len(m.Body) > 1000 {
		t.Errorf("id %q, key %q, %d bytes", m.ID, m.Key, len(m.Body))
	}
	if !m.Expires.IsZero() && !m.Expires.After(m.Enqueued) {
		t.Errorf("expires at %v, enqueued at %v", m.Expires, m.Enqueued)
	}
	for name := range m.Header {
		if !validName(name) {
			t.Errorf("a header named %q", name)
		}
	}
}
