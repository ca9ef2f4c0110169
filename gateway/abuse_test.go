package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// What is refused is not said back many times over: a long name stands once in a request,
// and the refusal of it in every answer.
func TestRefusalsAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 500_000)
	call := func(method string) string { return `{"jsonrpc":"2.0","id":1,"method":"` + method + `"}` }
	few := strings.Repeat(","+call("a"), 49)
	for name, tc := range map[string]struct {
		path, body string
		status     int
	}{
		"reserved method": {"/rpc/calculator", "[" + call("rpc."+long) + few + "]", 403},
		"long method":     {"/rpc/calculator", "[" + call(long) + few + "]", 403},
		"long service":    {"/rpc/" + long[:20_000], "[" + call("a") + few + "]", 404},
	} {
		c := newCaller()
		c.err = transports.ErrNoService
		r := post(t, gateway.Options{Caller: c}, tc.path, tc.body)
		said, err := io.ReadAll(r.Body)
		if r.StatusCode != tc.status || err != nil || len(said) > 20_000 {
			t.Errorf("%s: status %d, %d bytes, %v", name, r.StatusCode, len(said), err)
		}
	}
}

// A patient caller answers when it is told to.
type patient struct {
	*caller
	begun, release chan struct{}
}

func (p *patient) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	p.begun <- struct{}{}
	<-p.release
	return p.caller.Call(ctx, service, m)
}

// Bodies that wait for their answers have bounded memory together, however many come.
func TestBodiesInHand(t *testing.T) {
	t.Parallel()
	p := &patient{newCaller(), make(chan struct{}), make(chan struct{})}
	g := gateway.New(gateway.Options{Caller: p, MaxBody: 40 << 20, Log: quiet})
	ask := func() *http.Response {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/rpc/calculator", strings.NewReader(add))
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = 30 << 20 // what is there counts as what is announced
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Result()
	}
	first := make(chan *http.Response)
	go func() { first <- ask() }()
	<-p.begun
	if r := ask(); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Journeyman-Refused") != "busy" || r.Header.Get("Retry-After") == "" {
		t.Errorf("the second of two large ones: status %d, headers %v", r.StatusCode, r.Header)
	}
	close(p.release)
	check(t, <-first, http.StatusOK, `{"jsonrpc":"2.0","id":1,"result":6.1}`)
	go func() { <-p.begun }()
	check(t, ask(), http.StatusOK, `{"jsonrpc":"2.0","id":1,"result":6.1}`)
}

// A signatory knows one token.
type signatory string

func (i signatory) Authenticate(_ context.Context, credential string) (*jsonrpc.Principal, error) {
	if credential != string(i) {
		return nil, &gateway.InvalidError{Why: "its signature does not fit"}
	}
	return &jsonrpc.Principal{Subject: "ada"}, nil
}

// Who tries wrong tokens locks nobody out who comes from the same address with a right one.
func TestWrongTokensLockNobodyOut(t *testing.T) {
	t.Parallel()
	g := gateway.New(gateway.Options{Caller: newCaller(), Auth: signatory("right.one.here"), Log: quiet})
	ask := func(token string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/rpc/calculator", strings.NewReader(add))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Code
	}
	for n := range 30 {
		if status := ask(fmt.Sprintf("wrong.%d.x", n)); status != http.StatusUnauthorized {
			t.Fatalf("wrong token %d: status %d", n, status)
		}
	}
	if status := ask("right.one.here"); status != http.StatusOK {
		t.Errorf("the right one: status %d", status)
	}
}

// Of a service whose workers do not know what is public, the list holds on every way in.
func TestListHoldsEverywhere(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/apps/calculator/x", "/openrpc/calculator.json"} {
		c := newCaller()
		r := post(t, gateway.Options{Caller: c, Allowed: map[string][]string{"calculator": {"add"}}}, path, "", method(http.MethodGet))
		if r.StatusCode != http.StatusNotFound || len(c.sent) > 0 {
			t.Errorf("%s: status %d, passed on %v", path, r.StatusCode, c.sent)
		}
	}
}

// A slow writer remembers until when it may write.
type slowWriter struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *slowWriter) SetWriteDeadline(until time.Time) error {
	w.until = until
	return nil
}

// A large answer that came late has from then on the time that a slow network needs.
func TestLargeAnswersHaveTime(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]time.Duration{0: 5 * time.Second, 320 << 10: 15 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			head := `{"jsonrpc":"2.0","id":1,"result":"`
			late := lateAnswer(head + strings.Repeat("x", max(0, size-len(head)-2)) + `"}`)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/rpc/calculator", strings.NewReader(add))
			r.Header.Set("Content-Type", "application/json")
			w := &slowWriter{ResponseRecorder: httptest.NewRecorder()}
			gateway.New(gateway.Options{Caller: late, Log: quiet}).ServeHTTP(w, r)
			if got := time.Until(w.until).Round(time.Second); w.Code != http.StatusOK || got != want {
				t.Errorf("%d bytes, status %d: %v are left to write them, want %v", size, w.Code, got, want)
			}
		})
	}
}

// lateAnswer comes after 24 of the 25 seconds that a call has.
type lateAnswer string

func (l lateAnswer) Call(context.Context, string, transports.Message) ([]byte, error) {
	time.Sleep(24 * time.Second)
	return []byte(l), nil
}

func (l lateAnswer) Send(context.Context, string, transports.Message) error { return nil }
