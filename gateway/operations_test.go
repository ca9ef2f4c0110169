package gateway_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/transports"
)

// A broker is a caller that tells about services, as much as it is told to.
type broker struct {
	*caller
	tells []transports.ServiceStatus
	fails error
	mute  bool         // it answers no question
	asked atomic.Int64 // how often
}

func (b *broker) Services(ctx context.Context) ([]transports.ServiceStatus, error) {
	b.asked.Add(1)
	if b.mute {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return b.tells, b.fails
}

// One that can pause services, as Redis can and RabbitMQ cannot.
type pauser struct{ *broker }

func (pauser) Pause(context.Context, string) error  { return nil }
func (pauser) Resume(context.Context, string) error { return nil }

// ago returns what a broker with dates tells of a message that was sent so long ago. The
// tests that use it run in a bubble, whose clock stands still.
func ago(d time.Duration) *time.Time {
	t := time.Now().Add(-d)
	return &t
}

// busy is a service as Redis shows it, and quiescent one as RabbitMQ does.
func busy() transports.ServiceStatus {
	return transports.ServiceStatus{
		Name: "calculator", Dated: true, Paused: true, Waiting: new(int64(3)), Oldest: ago(1200 * time.Millisecond), InFlight: new(int64(2)),
		Delayed: new(int64(5)), Retries: new(int64(7)), Suspects: new(int64(1)), Dead: new(int64(11)), Consumers: new(int64(2)),
		Workers: []transports.WorkerStatus{{ID: "a", Methods: []string{"add", "divide"}}},
	}
}

func quiescent() transports.ServiceStatus {
	return transports.ServiceStatus{Name: "statistics", Waiting: new(int64(4)), Suspects: new(int64(0)), Dead: new(int64(0)), Consumers: new(int64(1))}
}

// A house is a gateway that is asked more than once.
type house struct {
	*testing.T
	http.Handler
}

func open(t *testing.T, o gateway.Options) house {
	t.Helper()
	o.Log = quiet
	if o.Caller == nil {
		o.Caller = newCaller()
	}
	return house{t, gateway.New(o)}
}

func (h house) ask(method, path, body string, with ...func(*http.Request)) *http.Response {
	h.Helper()
	r := httptest.NewRequestWithContext(h.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, change := range with {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// get wants 200 and returns the body.
func (h house) get(path string, with ...func(*http.Request)) string {
	h.Helper()
	r := h.ask(http.MethodGet, path, "", with...)
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		h.Fatalf("GET %s: status %d, %v: %s", path, r.StatusCode, err, text)
	}
	return string(text)
}

func TestScaling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &broker{caller: newCaller(), tells: []transports.ServiceStatus{busy()}}
		h := open(t, gateway.Options{Caller: pauser{b}, Services: []string{"idle", "calculator"}})
		want := `{"services":{"calculator":{"latency_seconds":1.2,"waiting":3,"in_flight":2,"delayed":5,"retries":7,"suspects":1,"dead":11,"workers":2,"paused":true},` +
			`"idle":{"latency_seconds":0,"waiting":0,"in_flight":null,"delayed":null,"retries":null,"suspects":null,"dead":null,"workers":0,"paused":false}}}`
		check(t, h.ask(http.MethodGet, "/scaling.json", ""), 200, want)

		// What the broker cannot tell is no number, not even where nothing waits.
		nothing := quiescent()
		nothing.Waiting = new(int64(0))
		b = &broker{caller: newCaller(), tells: []transports.ServiceStatus{nothing}}
		want = `{"services":{"statistics":{"latency_seconds":null,"waiting":0,"in_flight":null,"delayed":null,"retries":null,"suspects":0,"dead":0,"workers":1,"paused":null}}}`
		check(t, open(t, gateway.Options{Caller: b}).ask(http.MethodGet, "/scaling.json", ""), 200, want)
	})
}

// Names that are none, which anybody could have written into a broker, are not shown: one
// that is no UTF-8 would take all others with it.
func TestStrangeNames(t *testing.T) {
	t.Parallel()
	b := &broker{caller: newCaller(), tells: []transports.ServiceStatus{{Name: "\xff"}, {Name: "web"}, {Name: "fine"}}}
	h := open(t, gateway.Options{Caller: b})
	want := `{"services":{"fine":{"latency_seconds":null,"waiting":null,"in_flight":null,"delayed":null,"retries":null,"suspects":null,"dead":null,"workers":null,"paused":null}}}` + "\n"
	if got := h.get("/scaling.json"); got != want {
		t.Errorf("got %s", got)
	}
	if text := h.get("/metrics"); !strings.Contains(text, "journeyman_transport_up 1\n") {
		t.Errorf("metrics are\n%s", text)
	}
}

func TestOperationsWithoutBroker(t *testing.T) {
	t.Parallel()
	b := &broker{caller: newCaller(), tells: []transports.ServiceStatus{busy()}, fails: fmt.Errorf("ask 10.1.2.3: %w", transports.ErrUnavailable)}
	h := open(t, gateway.Options{Caller: pauser{b}, Services: []string{"idle"}, HireFireToken: "t"})
	refusal := `{"jsonrpc":"2.0","id":null,"error":{"code":-32013,"message":"the broker cannot be asked now"}}`
	for _, path := range []string{"/scaling.json", "/hirefire/t/info"} {
		r := h.ask(http.MethodGet, path, "")
		check(t, r, 503, refusal)
		if r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	samples := journeymen(h.get("/metrics"))
	delete(samples, "journeyman_build_info")
	if diff := cmp.Diff(map[string]string{"journeyman_transport_up": "0"}, samples); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// However many look, the broker is asked about once a second; and one that does not
// answer holds nobody for longer than a few.
func TestOneQuestionForAll(t *testing.T) {
	t.Parallel()
	for _, mute := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := &broker{caller: newCaller(), mute: mute}
			h := open(t, gateway.Options{Caller: b})
			began := time.Now()
			done := make(chan int)
			const many = 100
			for range many {
				go func() {
					done <- h.ask(http.MethodGet, "/metrics", "").StatusCode
				}()
			}
			for range many {
				if status := <-done; status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			}
			if asked := b.asked.Load(); asked != 1 {
				t.Errorf("the broker was asked %d times", asked)
			}
			if took := time.Since(began); mute && took != 2*time.Second {
				t.Errorf("it took %v to say that the broker is mute", took)
			}
			time.Sleep(time.Second)
			h.get("/metrics")
			if asked := b.asked.Load(); asked != 2 {
				t.Errorf("a second later it has been asked %d times", asked)
			}
		})
	}
}

// Whoever began to ask may go: the others wait for the same answer.
func TestAskerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &broker{caller: newCaller(), mute: true}
		h := open(t, gateway.Options{Caller: b})
		asker, leave := context.WithCancel(t.Context())
		began, ended := time.Now(), make(chan time.Time)
		go func() {
			h.ask(http.MethodGet, "/scaling.json", "", func(r *http.Request) { *r = *r.WithContext(asker) })
			ended <- time.Now()
		}()
		synctest.Wait()
		leave()
		if took := (<-ended).Sub(began); took != 2*time.Second {
			t.Errorf("the question ended after %v, with the one who asked", took)
		}
	})
}

// One who waits for another's question may go, too.
func TestWaiterLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, gateway.Options{Caller: &broker{caller: newCaller(), mute: true}})
		done := make(chan struct{})
		go func() {
			h.ask(http.MethodGet, "/scaling.json", "")
			close(done)
		}()
		synctest.Wait()
		began := time.Now()
		gone, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		h.ask(http.MethodGet, "/scaling.json", "", func(r *http.Request) { *r = *r.WithContext(gone) })
		if took := time.Since(began); took != time.Millisecond {
			t.Errorf("it was held for %v", took)
		}
		<-done
	})
}

// Over HTTP there is no broker, and to list services asks nobody.
func TestNobodyAnswersPings(t *testing.T) {
	t.Parallel()
	b := &broker{caller: newCaller(), tells: []transports.ServiceStatus{{Name: "calculator"}}}
	for ping, want := range map[error]string{nil: "1", transports.ErrUnavailable: "0"} {
		h := open(t, gateway.Options{Caller: pinger{b, ping}})
		if got := journeymen(h.get("/metrics"))["journeyman_transport_up"]; got != want {
			t.Errorf("where a ping ends with %v, up is %q", ping, got)
		}
	}
}

type pinger struct {
	*broker
	err error
}

func (p pinger) Ping(context.Context) error { return p.err }

func TestWhoMayLook(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/metrics", "/scaling.json"} {
		h := open(t, gateway.Options{Caller: &broker{caller: newCaller()}, Auth: gateway.Keys{gateway.PlainKey("key")}})
		check(t, h.ask(http.MethodGet, path, ""), 401, `{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"send a key or a token as Authorization: Bearer …"}}`)
		if r := h.ask(http.MethodGet, path, "", header("Authorization", "Bearer key")); r.StatusCode != 200 {
			t.Errorf("%s with a key: status %d", path, r.StatusCode)
		}
		if r := h.ask(http.MethodHead, path, "", header("Authorization", "Bearer key")); r.StatusCode != 200 {
			t.Errorf("HEAD %s: status %d", path, r.StatusCode)
		}
		if r := h.ask(http.MethodPost, path, "", header("Authorization", "Bearer key")); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: status %d", path, r.StatusCode)
		}
		some := gateway.Keys{
			{Name: "prometheus", Hash: sha256.Sum256([]byte("p")), Scopes: []string{"orders", "operations"}},
			{Name: "shop", Hash: sha256.Sum256([]byte("s")), Scopes: []string{"orders"}},
		}
		h = open(t, gateway.Options{Caller: &broker{caller: newCaller()}, Auth: some})
		if r := h.ask(http.MethodGet, path, "", header("Authorization", "Bearer p")); r.StatusCode != 200 {
			t.Errorf("%s with the scope: status %d", path, r.StatusCode)
		}
		check(t, h.ask(http.MethodGet, path, "", header("Authorization", "Bearer s")), 403,
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"this needs the scope \"operations\""}}`)
		closed := open(t, gateway.Options{Caller: &broker{caller: newCaller()}, Refuse: "no"})
		if r := closed.ask(http.MethodGet, path, ""); r.StatusCode != 403 {
			t.Errorf("%s of a gateway that is closed: status %d", path, r.StatusCode)
		}
	}
}
