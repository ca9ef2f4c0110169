package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
)

const (
	async  = "respond-async"
	answer = `{"jsonrpc":"2.0","id":1,"result":6.1}`
)

// A yard is a service behind a broker, whose calls take as long as the test wishes.
type yard struct {
	broker  *memory.Broker
	came    chan transports.Message
	release chan string // what the next call is answered with
}

// newYard returns one whose worker and transports end with the test.
func newYard(t *testing.T) *yard {
	t.Helper()
	y := &yard{memory.New(), make(chan transports.Message, 16), make(chan string, 16)}
	worker, done := y.open(t), make(chan struct{})
	go func() {
		defer close(done)
		_ = worker.Serve(context.WithoutCancel(t.Context()), transports.Service{Name: "calculator", Handler: y.handle})
	}()
	t.Cleanup(func() {
		_ = worker.Close()
		<-done
	})
	return y
}

func (y *yard) open(t *testing.T) *memory.Transport {
	t.Helper()
	tr := y.broker.Open(memory.Options{Catalogue: []string{"calculator"}, Log: quiet})
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func (y *yard) handle(ctx context.Context, m transports.Message) transports.Outcome {
	y.came <- m
	select {
	case text := <-y.release:
		return transports.Outcome{Reply: []byte(text)}
	case <-ctx.Done():
		return transports.Outcome{}
	}
}

// get fetches what a gateway has at a path.
func get(t *testing.T, o gateway.Options, path string, with ...func(*http.Request)) *http.Response {
	t.Helper()
	return post(t, o, path, "", append(with, method(http.MethodGet))...)
}

// checkReceipt wants a 202 and returns its body.
func checkReceipt(t *testing.T, r *http.Response, applied string) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusAccepted || r.Header.Get("Retry-After") == "" || r.Header.Get("Preference-Applied") != applied {
		t.Fatalf("status %d, headers %v, body %v; want 202, Retry-After and Preference-Applied: %q", r.StatusCode, r.Header, body, applied)
	}
	return body
}

func TestTickets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t)
		o := gateway.Options{Caller: y.open(t), AsyncTimeout: 2 * time.Hour, AsyncKeep: 3 * time.Hour}
		deadline := time.Now().Add(2 * time.Hour)
		r := post(t, o, "/rpc/calculator", add, header("Prefer", async))
		body := checkReceipt(t, r, async)
		url, ticket := r.Header.Get("Location"), strings.TrimPrefix(r.Header.Get("Location"), "/tickets/")
		want := map[string]any{"ticket": ticket, "url": url, "deadline": deadline.UTC().Format(time.RFC3339), "kept": 3 * 3600.0}
		if diff := cmp.Diff(want, body); diff != "" || !strings.HasPrefix(ticket, "calculator-") {
			t.Errorf("location %s, receipt (-want +got):\n%s", url, diff)
		}
		m := <-y.came
		if m.Method != "add" || string(m.Body) != add || !m.Expires.Equal(deadline) || m.Header[passport.Outside] != "1" {
			t.Errorf("passed on: %+v", m)
		}

		pending := map[string]any{"ticket": ticket, "url": url}
		if diff := cmp.Diff(pending, checkReceipt(t, get(t, o, url), "")); diff != "" {
			t.Errorf("before the reply (-want +got):\n%s", diff)
		}
		began := time.Now()
		checkReceipt(t, get(t, o, url, header("Prefer", "wait=20")), "wait=20")
		if waited := time.Since(began); waited != 20*time.Second {
			t.Errorf("waited %v, want 20s", waited)
		}
		checkReceipt(t, get(t, o, url, header("Prefer", "wait=3600")), "wait=25")

		// Another process, which was not there when the call was made.
		time.AfterFunc(10*time.Second, func() { y.release <- answer })
		other := gateway.Options{Caller: y.open(t)}
		check(t, get(t, other, url, header("Prefer", "wait=20")), http.StatusOK, answer)
		check(t, get(t, o, url), http.StatusOK, answer)

		time.Sleep(3*time.Hour + time.Second)
		const gone = `{"jsonrpc":"2.0","id":null,"error":{"code":-32019,"message":"there is no such ticket, or its result is kept no longer"}}`
		check(t, get(t, o, url), http.StatusNotFound, gone)
		for _, path := range []string{
			"/tickets/calculator-abcdefghijklmnopqrstuvwxyz", "/tickets/x", url + "x", url[:len(url)-1], "/tickets/" + strings.ToUpper(ticket), url + "/x",
		} {
			check(t, get(t, o, path, header("Prefer", "wait=20")), http.StatusNotFound, gone)
		}
	})
}

func TestTicketsOfCallsThatFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t)
		o := gateway.Options{Caller: y.open(t)}
		ask := func(with ...func(*http.Request)) string {
			t.Helper()
			r := post(t, o, "/rpc/calculator", add, append(with, header("Prefer", async))...)
			checkReceipt(t, r, async)
			return r.Header.Get("Location")
		}
		const late = `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no reply came within the time that the call was given"}}`
		url := ask(header("Journeyman-Timeout", "60000")) // more than a client may wait, less than the default
		if in := time.Until((<-y.came).Expires); in != time.Minute {
			t.Errorf("the call expires in %v, want 1m", in)
		}
		time.Sleep(45 * time.Second)
		check(t, get(t, o, url, header("Prefer", "wait=20")), http.StatusGatewayTimeout, late)
		check(t, get(t, o, url), http.StatusGatewayTimeout, late)

		ask(header("Journeyman-Timeout", "7200000"))
		if in := time.Until((<-y.came).Expires); in != time.Hour {
			t.Errorf("the call expires in %v, want the default of 1h", in)
		}
		r := post(t, o, "/rpc/calculator", add, header("Prefer", async), header("Journeyman-Timeout", "soon"))
		if r.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d for a timeout that is none", r.StatusCode)
		}
		check(t, post(t, o, "/rpc/nobody", add, header("Prefer", async)), http.StatusNotFound,
			`{"jsonrpc":"2.0","id":1,"error":{"code":-32012,"message":"there is no service \"nobody\""}}`)
	})
}

// Whoever prefers a ticket and says how long it would wait gets the reply, if that comes.
func TestTicketsForTheImpatient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t)
		o := gateway.Options{Caller: y.open(t)}
		y.release <- answer
		r := post(t, o, "/rpc/calculator", add, header("Prefer", "respond-async, wait=10"))
		check(t, r, http.StatusOK, answer)
		if r.Header.Get("Preference-Applied") != "respond-async, wait=10" || r.Header.Get("Location") != "" {
			t.Errorf("headers %v", r.Header)
		}
		began := time.Now()
		r = post(t, o, "/rpc/calculator", add, header("Prefer", "respond-async, wait=10"))
		checkReceipt(t, r, "respond-async, wait=10")
		if time.Since(began) != 10*time.Second {
			t.Errorf("waited %v, want 10s", time.Since(began))
		}
		y.release <- answer
		check(t, get(t, o, r.Header.Get("Location"), header("Prefer", "wait=1")), http.StatusOK, answer)
	})
}

// A preference is none that has to be met.
func TestTicketsThatAreNone(t *testing.T) {
	t.Parallel()
	const note = `{"jsonrpc":"2.0","method":"log"}`
	y := newYard(t)
	check(t, post(t, gateway.Options{Caller: y.open(t)}, "/rpc/calculator", note, header("Prefer", async)), http.StatusNoContent, "")
	c := newCaller() // keeps nothing
	r := post(t, gateway.Options{Caller: c}, "/rpc/calculator", add, header("Prefer", async))
	check(t, r, http.StatusOK, answer)
	if applied := r.Header.Get("Preference-Applied"); applied != "" {
		t.Errorf("Preference-Applied: %s", applied)
	}
	if r := get(t, gateway.Options{Caller: c}, "/tickets/calculator-abcdefghijklmnopqrstuvwxyz"); r.StatusCode != http.StatusNotFound {
		t.Errorf("status %d, want 404", r.StatusCode)
	}
}

func TestTicketsOfBatches(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	o := gateway.Options{Caller: y.open(t)}
	batch := "[" + add + `,{"jsonrpc":"2.0","method":"log"}]`
	r := post(t, o, "/rpc/calculator", batch, header("Prefer", async))
	checkReceipt(t, r, async)
	if m := <-y.came; string(m.Body) != batch {
		t.Errorf("passed on: %s", m.Body)
	}
	y.release <- "[" + answer + "]"
	check(t, get(t, o, r.Header.Get("Location"), header("Prefer", "wait=20")), http.StatusOK, "["+answer+"]")
}

// Who may call may fetch, and nobody else.
func TestTicketsAreGuarded(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	o := gateway.Options{Caller: y.open(t), Auth: gateway.Keys{gateway.PlainKey("k"), gateway.PlainKey("other")}, Hosts: []string{"example.com"}}
	key := header("Authorization", "Bearer k")
	r := post(t, o, "/rpc/calculator", add, key, header("Prefer", async))
	checkReceipt(t, r, async)
	url := r.Header.Get("Location")
	y.release <- answer
	for name, tc := range map[string]struct {
		with   []func(*http.Request)
		status int
	}{
		"without a key": {nil, http.StatusUnauthorized},
		"another's key": {[]func(*http.Request){header("Authorization", "Bearer other")}, http.StatusNotFound},
		"wrong host":    {[]func(*http.Request){key, func(r *http.Request) { r.Host = "evil.example" }}, http.StatusMisdirectedRequest},
		"not GET":       {[]func(*http.Request){key, func(r *http.Request) { r.Method = http.MethodDelete }}, http.StatusMethodNotAllowed},
	} {
		with := append([]func(*http.Request){method(http.MethodGet)}, tc.with...)
		if r := post(t, o, url, "", with...); r.StatusCode != tc.status {
			t.Errorf("%s: status %d, want %d", name, r.StatusCode, tc.status)
		}
	}
	check(t, get(t, o, url, key, header("Prefer", "wait=20")), http.StatusOK, answer)
}

// A process that is to stop keeps nobody waiting.
func TestWaitingEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t)
		draining := make(chan struct{})
		o := gateway.Options{Caller: y.open(t), Draining: draining}
		r := post(t, o, "/rpc/calculator", add, header("Prefer", async))
		checkReceipt(t, r, async)
		url := r.Header.Get("Location")
		began := time.Now()
		time.AfterFunc(5*time.Second, func() { close(draining) })
		checkReceipt(t, get(t, o, url, header("Prefer", "wait=20")), "wait=20")
		stream := get(t, o, url, header("Accept", "text/event-stream"))
		if text, err := io.ReadAll(stream.Body); string(text) != ": no reply yet\n\n" || err != nil {
			t.Errorf("a stream says %q, error %v", text, err)
		}
		if since := time.Since(began); since != 5*time.Second {
			t.Errorf("they waited %v, want 5s", since)
		}
		y.release <- answer
		<-y.came
		synctest.Wait()
		check(t, get(t, o, url, header("Prefer", "wait=20")), http.StatusOK, answer)
	})
}

func TestStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t)
		o := gateway.Options{Caller: y.open(t), AsyncTimeout: time.Hour}
		events := header("Accept", "text/event-stream")
		ask := func() string {
			r := post(t, o, "/rpc/calculator", add, header("Prefer", async))
			checkReceipt(t, r, async)
			<-y.came
			return r.Header.Get("Location")
		}
		checkStream := func(r *http.Response, want string) {
			t.Helper()
			text, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("status %d, headers %v, error %v", r.StatusCode, r.Header, err)
			}
			if diff := cmp.Diff(want, string(text)); diff != "" {
				t.Errorf("stream (-want +got):\n%s", diff)
			}
		}
		url := ask()
		// Three looks in vain: at once, after 15 s and after 30 s.
		time.AfterFunc(40*time.Second, func() { y.release <- "{\"a\":\r\n1}" })
		checkStream(get(t, o, url, events), strings.Repeat(": no reply yet\n\n", 3)+"event: reply\nid: reply\ndata: {\"a\": \ndata: 1}\n\n")
		checkStream(get(t, o, url, events), "event: reply\nid: reply\ndata: {\"a\": \ndata: 1}\n\n")
		if r := get(t, o, url, events, header("Last-Event-ID", "reply")); r.StatusCode != http.StatusNoContent {
			t.Errorf("who has the reply and comes again gets %d, want 204", r.StatusCode)
		}

		url = ask()
		time.Sleep(59*time.Minute + 50*time.Second)
		checkStream(get(t, o, url, events), ": no reply yet\n\nevent: reply\nid: reply\n"+
			`data: {"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no reply came within the time that the call was given"}}`+"\n\n")

		for url, status := range map[string]int{url: http.StatusGatewayTimeout, "/tickets/calculator-abcdefghijklmnopqrstuvwxyz": http.StatusNotFound} {
			if r := get(t, o, url, events); r.StatusCode != status || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: status %d, headers %v; want %d", url, r.StatusCode, r.Header, status)
			}
		}
	})
}

// What there is to say is said at once, over a connection that limits ordinary answers.
func TestStreamsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	server := httptest.NewUnstartedServer(nil)
	server.Config = gateway.Server("", gateway.New(gateway.Options{Caller: y.open(t), Log: quiet}))
	server.Config.WriteTimeout = 50 * time.Millisecond
	server.Start()
	defer server.Close()
	o := gateway.Options{Caller: y.open(t)}
	r := post(t, o, "/rpc/calculator", add, header("Prefer", async))
	checkReceipt(t, r, async)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+r.Header.Get("Location"), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	stream, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	first := make([]byte, len(": no reply yet\n\n"))
	if _, err := io.ReadFull(stream.Body, first); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { y.release <- answer }) // later than WriteTimeout
	rest, err := io.ReadAll(stream.Body)
	if want := fmt.Sprintf("event: reply\nid: reply\ndata: %s\n\n", answer); err != nil || string(rest) != want {
		t.Errorf("the stream ends with %q, error %v; want %q", rest, err, want)
	}
}
