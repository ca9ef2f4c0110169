package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

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
		"failed":                 {err: noLuck, body: doIt, verdict: transports.Retry, from: time.Second / 2, to: time.Second, log: `level=WARN .*method=do id=m1 attempt="1 of 3" err="no luck" again_in=`},
		"failed again":           {err: noLuck, failures: 1, body: doIt, verdict: transports.Retry, from: time.Second, to: 2 * time.Second, log: `attempt="2 of 3"`},
		"failed a last time":     {err: noLuck, failures: 2, body: doIt, verdict: transports.Bury, log: `level=ERROR .*dead-letter list.*method=do id=m1 attempt="3 of 3" err="no luck"`},
		"not worth trying again": {err: jsonrpc.NoRetry(noLuck), body: doIt, verdict: transports.Bury, log: `attempt="1 of 3"`},
		"an application's error": {err: jsonrpc.Errorf(7, "no luck"), body: doIt, verdict: transports.Retry, from: time.Second / 2, to: time.Second, log: "no luck"},
		"no such method":         {body: `{"jsonrpc":"2.0","method":"undo"}`, verdict: transports.Retry, from: time.Second / 2, to: time.Second, log: `attempt="1 of 15" err="Method not found`},
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

// Nobody is to look for it among dead letters, or to wait for another attempt.
func TestNotificationThatNothingKeeps(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errors.New("no luck"), jsonrpc.NoRetry(errors.New("no luck"))} {
		var log bytes.Buffer
		a := newAdapter(&log, map[string]method{"do": failing(err)})
		a.forgets = true
		a.handle(t.Context(), transports.Message{ID: "m1", Body: []byte(doIt)})
		matches(t, log.String(), `level=ERROR msg="notification failed, and is lost.*method=do id=m1 err="no luck"\n$`)
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
		if len(out.Follow) != 2 {
			t.Fatalf("%d messages follow, want 2: %+v", len(out.Follow), out.Follow)
		}
		if due := out.Follow[0].NotBefore.Sub(now); due < 30*time.Second || due > time.Minute {
			t.Errorf("the first is due in %v, want 30 s to 1 min", due)
		}
		out.Follow[0].NotBefore = time.Time{} // by chance, and seen to
		// The keys are those under which the batch's handlers saw themselves.
		if diff := gocmp.Diff([]transports.Message{
			{Key: "k1#1", Method: "ill", Body: []byte(ill), Header: header, Failures: 1, History: []transports.Attempt{{At: now, Worker: "tester.1", Error: "no luck"}}},
			{Key: "k1#4", Method: "lost", Body: []byte(lost), Header: header},
		}, out.Follow); diff != "" {
			t.Errorf("what follows (-want +got):\n%s", diff)
		}
		if diff := gocmp.Diff([]transports.DeadLetter{{Reason: "hopeless", Message: transports.Message{
			Key: "k1#3", Method: "never", Body: []byte(never), Header: header, Failures: 1,
			History: []transports.Attempt{{At: now, Worker: "tester.1", Error: "hopeless"}},
		}}}, out.Dead); diff != "" {
			t.Errorf("what is given up (-want +got):\n%s", diff)
		}
	})
}

// What did not get its turn has not failed.
func TestFollowersNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := newAdapter(&log, map[string]method{
			"wait": func(ctx context.Context) error { <-ctx.Done(); return nil }, "do": fine,
		}, jsonrpc.Retry(1, 0, 0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		waits := strings.Repeat(`{"jsonrpc":"2.0","method":"wait","id":1},`, 8)
		out := a.handle(ctx, transports.Message{ID: "m1", Body: []byte(`[` + waits + doIt + `]`)})
		if diff := gocmp.Diff([]transports.Message{{Method: "do", Body: []byte(doIt)}}, out.Follow); diff != "" || out.Dead != nil || log.Len() > 0 {
			t.Errorf("given up: %+v; the log: %s; what follows (-want +got):\n%s", out.Dead, &log, diff)
		}
		if out := a.handle(ctx, transports.Message{ID: "m1", Body: []byte(`[` + doIt + `]`)}); out.Verdict != transports.NotMine || log.Len() > 0 {
			t.Errorf("alone it gets verdict %v, want that it is given back; the log: %s", out.Verdict, &log)
		}
	})
}

// A worker that lacks a method knows nothing of how often it may be tried.
func TestAttemptsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAdapter(new(bytes.Buffer), nil)
		a.locator = &crew{workers: 1}
		m := transports.Message{ID: "m1", Method: "new", Body: []byte(`{"jsonrpc":"2.0","method":"new"}`), Failures: 20}
		if out := a.handle(t.Context(), m); out.Verdict != transports.NotMine {
			t.Errorf("verdict %v, want that it is left to a worker that has the method", out.Verdict)
		}
	})
}

// An error may quote a document; what travels with a message and stands in the log
// does not.
func TestLongErrors(t *testing.T) {
	t.Parallel()
	noLuck := errors.New("€" + strings.Repeat("long\xff ", 1000))
	var log bytes.Buffer
	a := newAdapter(&log, map[string]method{"do": failing(noLuck), "never": failing(jsonrpc.NoRetry(noLuck))})
	call := `{"jsonrpc":"2.0","id":1,"method":"call"}`
	a.mux.Handle("call", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		return nil, jsonrpc.Errorf(7, "%s", noLuck)
	}))
	never := strings.Replace(doIt, "do", "never", 1)
	alone, buried := a.handle(t.Context(), transports.Message{Body: []byte(doIt)}), a.handle(t.Context(), transports.Message{Body: []byte(never)})
	batch := a.handle(t.Context(), transports.Message{Body: []byte(`[` + doIt + `,` + never + `]`)})
	retried := a.handle(t.Context(), transports.Message{Body: []byte(call), Unread: true})
	a.handle(t.Context(), transports.Message{Body: []byte(`[` + call + `]`), Unread: true})
	for name, text := range map[string]string{
		"retried": alone.Err.Error(), "buried": buried.Err.Error(), "unread": retried.Err.Error(),
		"follower": batch.Follow[0].History[0].Error,
		"dead":     batch.Dead[0].Reason, "dead one's history": batch.Dead[0].Message.History[0].Error,
	} {
		if len(text) > mostErrorText+len("…") || !strings.HasPrefix(text, "€long") || !strings.HasSuffix(text, "…") || !utf8.ValidString(text) {
			t.Errorf("%s: an error of %d bytes, valid %v, %.20q…", name, len(text), utf8.ValidString(text), text)
		}
	}
	if text := brief(errors.New("a\xff")).Error(); text != "a\uFFFD" {
		t.Errorf("a short one that nobody can read became %q", text)
	}
	if !errors.Is(alone.Err, noLuck) {
		t.Error("the error cannot be seen in what is left of its text")
	}
	for line := range strings.Lines(log.String()) {
		if len(line) > mostErrorText*2 {
			t.Errorf("a line of %d bytes in the log", len(line))
		}
	}
}

// With one attempt in all, the one in the batch was it.
func TestOneAttempt(t *testing.T) {
	t.Parallel()
	a := newAdapter(new(bytes.Buffer), map[string]method{"do": failing(errors.New("no luck"))}, jsonrpc.Retry(1, 0, 0))
	out := a.handle(t.Context(), transports.Message{ID: "m1", Body: []byte(`[` + doIt + `,` + doIt + `]`)})
	if len(out.Follow) != 0 || len(out.Dead) != 2 || out.Dead[0].Reason != "no luck" {
		t.Errorf("%+v follows and %+v is given up, want two given up for what they failed of", out.Follow, out.Dead)
	}
}
