package httprpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

const add = `{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}`

// What a client without our library gets for each kind of request.
func TestRequestsOfOthers(t *testing.T) {
	t.Parallel()
	p := newSite().start(t, Options{MaxMessage: 1000}, nil)
	ran := make(chan transports.Message, 64)
	serve(t, p, transports.Service{Name: "calculator", Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		ran <- m
		if string(m.Body) == "notification" {
			return transports.Outcome{}
		}
		return echo(ctx, m)
	}})
	for name, c := range map[string]struct {
		method, path, body string
		header             map[string]string
		status             int
		refused            string
		says               string
	}{
		"call":           {"POST", "/rpc/calculator", add, nil, 200, "", add},
		"charset":        {"POST", "/rpc/calculator", add, map[string]string{"Content-Type": "Application/JSON; charset=utf-8"}, 200, "", add},
		"notification":   {"POST", "/rpc/calculator", "notification", nil, 204, "", ""},
		"not waited for": {"POST", "/rpc/calculator", add, map[string]string{"Prefer": "handling=lenient, Respond-Async; x=1"}, 204, "", ""},
		"at the limit":   {"POST", "/rpc/calculator", strings.Repeat("x", 1000), nil, 200, "", ""},
		"over it":        {"POST", "/rpc/calculator", strings.Repeat("x", 1001), nil, 413, "too-large", "1000 bytes"},
		"GET":            {"GET", "/rpc/calculator", "", nil, 405, "request", "POST"},
		"form":           {"POST", "/rpc/calculator", add, map[string]string{"Content-Type": "text/plain"}, 415, "request", "application/json"},
		"no type":        {"POST", "/rpc/calculator", add, map[string]string{"Content-Type": "none"}, 415, "request", "application/json"},
		"compressed":     {"POST", "/rpc/calculator", add, map[string]string{"Content-Encoding": "gzip"}, 415, "request", "Content-Encoding"},
		"web page":       {"POST", "/rpc/calculator", add, map[string]string{"Origin": "https://evil.test"}, 403, "browser", "gateway"},
		"same origin":    {"POST", "/rpc/calculator", add, map[string]string{"Sec-Fetch-Site": "same-origin"}, 403, "browser", "gateway"},
		"other service":  {"POST", "/rpc/statistics", add, nil, 404, "no-service", "calculator"},
		"other path":     {"POST", "/calculator", add, nil, 404, "request", "/rpc/SERVICE"},
		"deeper path":    {"POST", "/rpc/calculator/x", add, nil, 404, "no-service", "calculator"},
		"no time":        {"POST", "/rpc/calculator", add, map[string]string{"Journeyman-Timeout": "0"}, 400, "request", "Journeyman-Timeout"},
		"odd time":       {"POST", "/rpc/calculator", add, map[string]string{"Journeyman-Timeout": "1s"}, 400, "request", "Journeyman-Timeout"},
		"endless time":   {"POST", "/rpc/calculator", add, map[string]string{"Journeyman-Timeout": "9223372036854775807"}, 200, "", add},
		"alive":          {"GET", "/livez", "", nil, 200, "", "ok"},
		"ready":          {"GET", "/readyz", "", nil, 200, "", "ok"},
		"posted probe":   {"POST", "/readyz", "", nil, 405, "", "GET"},
	} {
		got := ask(t, p, c.method, c.path, c.body, c.header)
		if got.status != c.status || got.refused != c.refused || !strings.Contains(got.body, c.says) {
			t.Errorf("%s: %d, refused %q, body %q; want %d, %q and a body with %q", name, got.status, got.refused, got.body, c.status, c.refused, c.says)
		}
		if got.header.Get(headerRefused) != "" && got.header.Get("Content-Type") != plainText {
			t.Errorf("%s: a refusal of the type %q", name, got.header.Get("Content-Type"))
		}
	}
	var ids []string
	for range 6 {
		ids = append(ids, receive(t, ran, "a message").ID)
	}
	if len(ran) > 0 {
		t.Errorf("%d messages ran that were refused", len(ran))
	}
	for _, id := range ids {
		if id == "" {
			t.Error("a message without an id was given none")
		}
	}
}

// A body whose length is not announced is measured while it is read.
func TestChunkedBodies(t *testing.T) {
	t.Parallel()
	p := newSite().start(t, Options{MaxMessage: 1000}, nil)
	serve(t, p, transports.Service{Name: "calculator", Handler: echo})
	for n, want := range map[int]int{0: 200, 1000: 200, 1001: 413, 1_000_000: 413} {
		body := io.MultiReader(strings.NewReader(strings.Repeat("x", n)))
		r, err := http.NewRequestWithContext(patient(t), http.MethodPost, "http://"+p.at()+"/rpc/calculator", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		client := &http.Client{Transport: &http.Transport{}}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		client.CloseIdleConnections()
		if err != nil || response.StatusCode != want || want == 200 && len(got) != n {
			t.Errorf("%d bytes in chunks: %d with %d bytes, error %v; want %d", n, response.StatusCode, len(got), err, want)
		}
	}
	poll(t, "all places to be free", func() bool { return inside(p) == 0 })
}

// What stands in the headers reaches the handler, and nothing else.
func TestHeadersReachTheHandler(t *testing.T) {
	t.Parallel()
	p := newSite().start(t, Options{}, nil)
	ran := make(chan transports.Message, 1)
	serve(t, p, transports.Service{Name: "calculator", Handler: func(_ context.Context, m transports.Message) transports.Outcome {
		ran <- m
		return transports.Outcome{}
	}})
	before := time.Now()
	ask(t, p, "POST", "/rpc/calculator", add, map[string]string{
		"Journeyman-Id": "id%201", "Journeyman-Method": "add", "Journeyman-Timeout": "60000", "Idempotency-Key": "50% off",
		"Journeyman-Header-Principal": "zo%C3%AB", "Journeyman-Header-no_underscores": "x", "Traceparent": "00-x", "Baggage": "a=%20b",
		"Authorization": "Bearer whatever", "Cookie": "secret",
	})
	m := receive(t, ran, "the message")
	want := transports.Message{
		ID: "id 1", Method: "add", Key: "50% off", Body: []byte(add),
		Header: map[string]string{"principal": "zoë", "traceparent": "00-x", "baggage": "a=%20b"},
	}
	if left := m.Expires.Sub(before); left < time.Minute || left > time.Minute+patience {
		t.Errorf("expires %v after it was sent, want a minute", left)
	}
	if m.Enqueued.Before(before) || m.Enqueued.After(time.Now()) {
		t.Errorf("enqueued at %v, not since %v", m.Enqueued, before)
	}
	m.Expires, m.Enqueued = time.Time{}, time.Time{}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := newSite()
	p := s.start(t, Options{Keys: []string{"new-key", "old-key"}}, nil)
	serve(t, p, transports.Service{Name: "calculator", Handler: echo})
	for header, want := range map[string]int{
		"":                        401,
		"Bearer ":                 401,
		"Bearer new-ke":           401,
		"Bearer new-key2":         401,
		"Basic new-key":           401,
		"new-key":                 401,
		"Bearer new-key":          200,
		"bearer  old-key":         200,
		"Bearer new-key, old-key": 401,
	} {
		got := ask(t, p, "POST", "/rpc/calculator", add, map[string]string{"Authorization": header})
		if got.status != want || (want == 401) != (got.header.Get("WWW-Authenticate") != "") {
			t.Errorf("Authorization %q: %d with challenge %q, want %d", header, got.status, got.header.Get("WWW-Authenticate"), want)
		}
	}
	// A stranger does not learn either what is served.
	if got := ask(t, p, "POST", "/rpc/statistics", add, nil); got.status != 401 {
		t.Errorf("another service without a key: %d, want 401", got.status)
	}
	if got := ask(t, p, "GET", "/readyz", "", nil); got.status != 200 {
		t.Errorf("a probe without a key: %d, want 200", got.status)
	}
	for key, ok := range map[string]bool{"new-key": true, "old-key": true, "wrong": false} {
		tr := s.start(t, Options{Catalogue: []string{"calculator"}, Keys: []string{key}}, nil)
		t.Cleanup(func() { tr.Close() })
		_, err := call(t, tr, transports.Message{})
		_, refused := errors.AsType[*transports.RefusedError](err)
		if (err == nil) != ok || !ok && !refused || err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("Call with the key %q: error %v", key, err)
		}
	}
}

// Services of one process share a port; each has its own slots, and may stop alone.
func TestTwoServicesOnOnePort(t *testing.T) {
	t.Parallel()
	s := newSite()
	p := s.start(t, Options{}, nil)
	g := newGate()
	first := serve(t, p, transports.Service{Name: "calculator", Slots: 1, Handler: g.handle})
	addr := p.at()
	second := serve(t, p, transports.Service{Name: "statistics", Slots: 1, Handler: echo})
	if p.at() != addr {
		t.Fatalf("the second service listens on %s, the first on %s", p.at(), addr)
	}
	tr := s.start(t, Options{Catalogue: []string{"calculator", "statistics"}}, nil)
	t.Cleanup(func() { tr.Close() })
	done := make(chan error, 1)
	go func() {
		_, err := call(t, tr, transports.Message{})
		done <- err
	}()
	receive(t, g.entered, "the first service to be busy")
	if _, err := tr.Call(patient(t), "statistics", transports.Message{}); err != nil {
		t.Errorf("the other service: %v", err)
	}
	if err := p.Transport.Serve(patient(t), transports.Service{Name: "calculator", Handler: echo}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("serving a name twice: error %v", err)
	}
	first.stop()
	g.release <- struct{}{}
	if err := receive(t, done, "the call"); err != nil {
		t.Errorf("the call that ran: %v", err)
	}
	if err := first.wait(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
	_, err := call(t, tr, transports.Message{})
	if !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("a call of the stopped service: error %v, want ErrUnavailable", err)
	}
	if _, err := tr.Call(patient(t), "statistics", transports.Message{}); err != nil {
		t.Errorf("the other service after the stop: %v", err)
	}
	second.stop()
	if err := second.wait(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
	_, err = tr.Call(patient(t), "statistics", transports.Message{})
	if !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("after both stopped: error %v, want ErrUnavailable", err)
	}
	// The port is free again, for who starts next.
	p.options.Listen = addr
	serve(t, p, transports.Service{Name: "calculator", Handler: echo})
	if _, err := call(t, tr, transports.Message{}); err != nil {
		t.Errorf("served again: %v", err)
	}
}

func TestPortIsTaken(t *testing.T) {
	t.Parallel()
	s := newSite()
	p := s.start(t, Options{}, nil)
	serve(t, p, transports.Service{Name: "calculator", Handler: echo})
	for listen, want := range map[string]string{p.at(): p.at(), "": "set PORT", "192.0.2.1:80": "192.0.2.1:80"} {
		other := s.start(t, Options{}, nil)
		t.Cleanup(func() { other.Close() })
		other.options.Listen = listen
		err := other.Transport.Serve(patient(t), transports.Service{Name: "statistics", Handler: echo})
		_, refused := errors.AsType[*transports.RefusedError](err)
		if !refused || !strings.Contains(err.Error(), want) || listen == p.at() && !strings.Contains(err.Error(), "PORT") {
			t.Errorf("Serve on %q: error %v, want a refusal that says %q", listen, err, want)
		}
	}
}

func inside(p *process) int {
	p.Transport.mu.Lock()
	d := p.door.desks["calculator"]
	p.Transport.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inside
}

// So many wait, and the next is refused at once; who gives up frees a place.
func TestWaitingRoom(t *testing.T) {
	t.Parallel()
	s := newSite()
	p, g := s.start(t, Options{MaxQueue: 2}, nil), newGate()
	serve(t, p, transports.Service{Name: "calculator", Slots: 1, Handler: g.handle})
	tr := s.start(t, Options{Catalogue: []string{"calculator"}}, nil)
	t.Cleanup(func() { tr.Close() })
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	results := make(chan error, 8)
	start := func(ctx context.Context, body string) {
		go func() {
			_, err := tr.Call(ctx, "calculator", transports.Message{Body: []byte(body)})
			results <- err
		}()
	}
	start(patient(t), "runs")
	receive(t, g.entered, "a message to run")
	if err := tr.Send(patient(t), "calculator", transports.Message{Body: []byte("waits")}); err != nil {
		t.Fatal(err)
	}
	start(ctx, "gives up")
	poll(t, "both to wait", func() bool { return inside(p) == 3 })

	_, err := call(t, tr, transports.Message{})
	for what, err := range map[string]error{"Call": err, "Send": tr.Send(patient(t), "calculator", transports.Message{})} {
		if !errors.Is(err, transports.ErrBusy) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s to a full process: error %v, want ErrBusy", what, err)
		}
	}
	if got := ask(t, p, "GET", "/readyz", "", nil); got.status != 503 || !strings.Contains(got.body, "full") {
		t.Errorf("/readyz: %d %q", got.status, got.body)
	}
	if n := p.Counts().Busy; n != 2 {
		t.Errorf("%d counted as refused, want 2", n)
	}
	cancel()
	if err := receive(t, results, "the cancelled call"); !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled call: %v", err)
	}
	poll(t, "its place to be free", func() bool { return inside(p) == 2 })
	start(patient(t), "in its place")
	for range 3 {
		g.release <- struct{}{}
	}
	for range 2 {
		if err := receive(t, results, "the other calls"); err != nil {
			t.Errorf("Call: %v", err)
		}
	}
	ran := map[string]bool{"runs": true}
	for range 2 {
		ran[string(receive(t, g.entered, "what waited to run").Body)] = true
	}
	if !ran["waits"] || !ran["in its place"] || len(g.entered) > 0 {
		t.Errorf("ran %v and %d more, want those that did not give up", ran, len(g.entered))
	}
}

// What waits may take so much memory, whoever sends it.
func TestWaitingBodiesAreBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t.Context(), transports.Service{Name: "calculator", Slots: 4}, Options{MaxMessage: 16 << 20, MaxQueue: 100})
	var got []string
	for range 10 {
		got = append(got, d.admit(16<<20))
	}
	want := append(make([]string, 8), refusedBusy, refusedBusy)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ten bodies of 16 MiB (-want +got):\n%s", diff)
	}
	d.begun(16 << 20)
	if word := d.admit(16 << 20); word != "" {
		t.Errorf("after one began: %q", word)
	}
}

// A server without these is held by whoever sends slowly, or much.
func TestServerHasLimits(t *testing.T) {
	t.Parallel()
	p := newSite().start(t, Options{}, nil)
	serve(t, p, transports.Service{Name: "calculator", Handler: echo})
	server := p.door.server
	for what, d := range map[string]time.Duration{
		"to read a header": server.ReadHeaderTimeout, "to read a request": server.ReadTimeout, "between requests": server.IdleTimeout,
	} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("a client has %v %s", d, what)
		}
	}
	if server.IdleTimeout <= realInternals().idle {
		t.Errorf("a server keeps idle connections for %v, callers for %v: a request may meet the end of one", server.IdleTimeout, realInternals().idle)
	}
	if got := ask(t, p, "POST", "/rpc/calculator", add, map[string]string{"Big": strings.Repeat("x", 64<<10)}); got.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 64 KiB: %d, want 431", got.status)
	}
}
