package runner

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

const doIt = `{"jsonrpc":"2.0","method":"do"}`

// What becomes of a message that is one notification.
func TestNotification(t *testing.T) {
	t.Parallel()
	noLuck := errors.New("no luck")
	retry := jsonrpc.Retry(3, time.Second, time.Minute)
	for name, tt := range map[string]struct {
		err      error
		failures int
		body     string
		verdict  transports.Verdict
		from, to time.Duration // between which the delay lies
		log      string
	}{
		"ran":                    {body: doIt},
		"failed":                 {err: noLuck, body: doIt, verdict: transports.Retry, from: time.Second / 2, to: time.Second, log: `level=WARN .*method=do id=m1 attempt="1 of 3" again_in=.* err="no luck"`},
		"failed again":           {err: noLuck, failures: 1, body: doIt, verdict: transports.Retry, from: time.Second, to: 2 * time.Second, log: `attempt="2 of 3"`},
		"failed a last time":     {err: noLuck, failures: 2, body: doIt, verdict: transports.Bury, log: `level=ERROR .*dead-letter list.*method=do id=m1 attempt="3 of 3" err="no luck"`},
		"not worth trying again": {err: jsonrpc.NoRetry(noLuck), body: doIt, verdict: transports.Bury, log: `attempt="1 of 3"`},
		"an application's error": {err: jsonrpc.Errorf(7, "no luck"), body: doIt, verdict: transports.Retry, from: time.Second / 2, to: time.Second, log: "no luck"},
		"no such method":         {body: `{"jsonrpc":"2.0","method":"undo"}`, verdict: transports.Bury, log: "Method not found"},
		"in a batch by itself":   {err: noLuck, body: "[" + doIt + "]", verdict: transports.Retry, from: time.Second / 2, to: time.Second, log: "no luck"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			a := newAdapter(&log, map[string]method{"do": failing(tt.err)}, retry)
			out := a.handle(t.Context(), transports.Message{ID: "m1", Body: []byte(tt.body), Failures: tt.failures})
			if out.Verdict != tt.verdict || out.After < tt.from || out.After > tt.to || out.Reply != nil || out.Follow != nil {
				t.Errorf("the outcome is %+v, want verdict %v and a delay of %v to %v", out, tt.verdict, tt.from, tt.to)
			}
			if tt.err != nil && !errors.Is(out.Err, tt.err) {
				t.Errorf("the history gets %v, want %v", out.Err, tt.err)
			}
			matches(t, log.String(), tt.log)
		})
	}
}

// Work that a hard stop or a fence ends has not failed.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	a := newAdapter(&log, map[string]method{"do": func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}})
	out := a.handle(ctx, transports.Message{ID: "m1", Body: []byte(doIt), Failures: 14})
	if out.Verdict != transports.NotMine || log.Len() > 0 {
		t.Errorf("verdict %v, want that it is given back; the log: %s", out.Verdict, &log)
	}
	out = a.handle(ctx, transports.Message{ID: "m1", Body: []byte(`[` + doIt + `,{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}]`)})
	if len(out.Follow) != 1 || out.Follow[0].Failures != 0 || out.Follow[0].History != nil || log.Len() > 0 {
		t.Errorf("%+v follows, want one message without a failure; the log: %s", out.Follow, &log)
	}
}

// A notification that failed in a batch goes on alone, and takes none of its
// neighbours along.
func TestFollowers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := newAdapter(&log, map[string]method{
			"well": fine, "ill": failing(errors.New("no luck")), "never": failing(jsonrpc.NoRetry(errors.New("hopeless"))),
		}, jsonrpc.Retry(5, time.Minute, time.Minute))
		const well, ill, never, lost = `{"jsonrpc":"2.0","method":"well"}`, `{"jsonrpc":"2.0","method":"ill"}`, `{"jsonrpc":"2.0","method":"never"}`, `{"jsonrpc":"2.0","method":"lost"}`
		header := map[string]string{"traceparent": "00-1"}
		out := a.handle(t.Context(), transports.Message{
			ID: "m1", Key: "k1", Header: header, Expires: time.Now().Add(time.Hour),
			Body: []byte(`[` + strings.Join([]string{well, ill, `{"jsonrpc":"2.0","id":1,"method":"ill"}`, never, lost, `{"jsonrpc":"2.0","id":2,"method":"well"}`}, ",") + `]`),
		})
		if out.Verdict != transports.Done || !strings.HasSuffix(string(out.Reply), `{"jsonrpc":"2.0","id":2,"result":"ok"}]`) {
			t.Errorf("the batch's outcome is %v %s, want it done and answered", out.Verdict, out.Reply)
		}
		now := time.Now()
		if len(out.Follow) != 3 {
			t.Fatalf("%d messages follow, want 3: %+v", len(out.Follow), out.Follow)
		}
		if due := out.Follow[0].NotBefore.Sub(now); due < 30*time.Second || due > time.Minute {
			t.Errorf("the first is due in %v, want 30 s to 1 min", due)
		}
		out.Follow[0].NotBefore = time.Time{} // by chance, and seen to
		// The keys are those under which the batch's handlers saw themselves.
		if diff := gocmp.Diff([]transports.Message{
			{Key: "k1#1", Method: "ill", Body: []byte(ill), Header: header, Failures: 1, History: []transports.Attempt{{At: now, Worker: "tester.1", Error: "no luck"}}},
			{Key: "k1#3", Method: "never", Body: []byte(never), Header: header, Failures: 5, History: []transports.Attempt{{At: now, Worker: "tester.1", Error: "hopeless"}}},
			{Key: "k1#4", Method: "lost", Body: []byte(lost), Header: header},
		}, out.Follow); diff != "" {
			t.Errorf("what follows (-want +got):\n%s", diff)
		}

		// The one without hope is buried as it comes, the one without a method after a look.
		for _, m := range out.Follow[1:] {
			if got := a.handle(t.Context(), m); got.Verdict != transports.Bury || got.Err == nil {
				t.Errorf("%s then gets verdict %v with %v, want it buried", m.Method, got.Verdict, got.Err)
			}
		}
		if n := a.mux.Stats().Methods["never"].Calls; n != 1 {
			t.Errorf("what is not to be tried again ran %d times", n)
		}
	})
}

// With one attempt in all, the one in the batch was it.
func TestOneAttempt(t *testing.T) {
	t.Parallel()
	a := newAdapter(new(bytes.Buffer), map[string]method{"do": failing(errors.New("no luck"))}, jsonrpc.Retry(1, 0, 0))
	out := a.handle(t.Context(), transports.Message{ID: "m1", Body: []byte(`[` + doIt + `,` + doIt + `]`)})
	if len(out.Follow) != 2 {
		t.Fatalf("%d messages follow, want 2", len(out.Follow))
	}
	out = a.handle(t.Context(), out.Follow[0])
	if out.Verdict != transports.Bury || out.Err == nil || out.Err.Error() != "no luck" {
		t.Errorf("verdict %v with %v, want it buried for what it failed of", out.Verdict, out.Err)
	}
	if n := a.mux.Stats().Methods["do"].Calls; n != 2 {
		t.Errorf("two notifications with one attempt each ran %d times", n)
	}
}
