package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// A stubborn mux has a method that heeds nothing but release.
func stubborn(log *bytes.Buffer, opts ...jsonrpc.Option) (mux *jsonrpc.Mux, release chan struct{}) {
	release = make(chan struct{})
	mux = &jsonrpc.Mux{Logger: slog.New(slog.NewTextHandler(log, nil)), Grace: 2 * time.Second}
	mux.Handle("echo", echo)
	mux.Handle("stick", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		<-release
		return "late", nil
	}), opts...)
	return mux, release
}

const timedOut = `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"Deadline exceeded"}}`

// Whoever waits for a call that does not return gets an answer, and so do its
// neighbours in a batch; the process knows what it still carries.
func TestStuck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ body, reply, key string }{
		"call": {`{"jsonrpc":"2.0","method":"stick","id":7}`, timedOut, "m1"},
		"batch": {
			`[{"jsonrpc":"2.0","method":"echo","params":[1],"id":6},{"jsonrpc":"2.0","method":"stick","id":7},{"jsonrpc":"2.0","method":"echo"}]`,
			`[{"jsonrpc":"2.0","id":6,"result":[1]},` + timedOut + `]`, "m1#1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				mux, release := stubborn(&log, jsonrpc.Timeout(time.Second))
				start := time.Now()
				answer := mux.Answer(jsonrpc.WithKey(t.Context(), "m1"), []byte(tt.body))
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("answered after %v, want its timeout and the grace, 3s", took)
				}
				if string(answer.Reply) != tt.reply || answer.Abandoned != nil {
					t.Errorf("reply is %s, want %s; abandoned: %v", answer.Reply, tt.reply, answer.Abandoned)
				}
				for _, n := range answer.Notifications {
					if n.Err != nil {
						t.Errorf("notification %s ended with %v", n.Method, n.Err)
					}
				}
				wantStuck(t, mux, jsonrpc.StuckHandler{Method: "stick", Key: tt.key, Since: start.Add(3 * time.Second)})
				says(t, log.String(), "level=ERROR", "its caller is told so", "method=stick", "key=m1", "after=3s", "stuck=1")

				close(release)
				synctest.Wait()
				wantStuck(t, mux)
				says(t, log.String(), "has returned after all; its result is dropped")
			})
		})
	}
}

// wantStuck holds what a mux says of stuck handlers to a list, and to its stats.
func wantStuck(t *testing.T, mux *jsonrpc.Mux, want ...jsonrpc.StuckHandler) {
	t.Helper()
	if diff := cmp.Diff(want, mux.Stuck(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("stuck (-want +got):\n%s", diff)
	}
	if s, n := mux.Stats().Methods["stick"], int64(len(want)); s.Stuck != n || s.Running != n {
		t.Errorf("the stats say %+v, want %d running and stuck", s, n)
	}
}

// What is done twice if it is begun again, or holds a key, is waited for, and counts
// by what becomes of it in the end.
func TestStuckIsWaitedFor(t *testing.T) {
	t.Parallel()
	once := jsonrpc.Dedupe(time.Hour)
	for name, tt := range map[string]struct {
		body, reply string
		opts        []jsonrpc.Option
	}{
		"notification": {body: `{"jsonrpc":"2.0","method":"stick"}`},
		"notification in a batch": {
			body:  `[{"jsonrpc":"2.0","method":"echo","params":[1],"id":6},{"jsonrpc":"2.0","method":"stick"}]`,
			reply: `[{"jsonrpc":"2.0","id":6,"result":[1]}]`,
		},
		"call of a method with Dedupe": {
			body: `{"jsonrpc":"2.0","method":"stick","id":7}`, reply: `{"jsonrpc":"2.0","id":7,"result":"late"}`, opts: []jsonrpc.Option{once},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				mux, release := stubborn(&log, append(tt.opts, jsonrpc.Timeout(time.Second))...)
				start := time.Now()
				answered := make(chan jsonrpc.Answer, 1)
				go func() { answered <- mux.Answer(t.Context(), []byte(tt.body)) }()
				time.Sleep(time.Hour)
				synctest.Wait()
				if len(answered) > 0 {
					t.Fatalf("it was given up: %+v", <-answered)
				}
				wantStuck(t, mux, jsonrpc.StuckHandler{Method: "stick", Since: start.Add(3 * time.Second)})
				says(t, log.String(), "waiting for it", "method=stick")

				close(release)
				answer := <-answered
				if string(answer.Reply) != tt.reply || answer.Abandoned != nil {
					t.Errorf("reply is %s, want %s; abandoned: %v", answer.Reply, tt.reply, answer.Abandoned)
				}
				for _, n := range answer.Notifications {
					if n.Err != nil {
						t.Errorf("notification %s ended with %v, want that it ran", n.Method, n.Err)
					}
				}
				synctest.Wait() // for the last line of the log
				wantStuck(t, mux)
				if strings.Contains(log.String(), "dropped") {
					t.Errorf("the log says that its result was not used: %s", &log)
				}
			})
		})
	}
}

// A process that ends because of them lets go of those that it waits for, and of
// none that may still return in time.
func TestAbandon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		mux, release := stubborn(&log, jsonrpc.Timeout(time.Second), jsonrpc.Dedupe(time.Hour))
		late := make(chan struct{})
		mux.Handle("late", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			<-late
			return "in time", nil
		}), jsonrpc.Timeout(time.Hour))
		answer := func(body string) <-chan jsonrpc.Answer {
			answered := make(chan jsonrpc.Answer, 1)
			go func() { answered <- mux.Answer(t.Context(), []byte(body)) }()
			return answered
		}
		note, call := answer(`{"jsonrpc":"2.0","method":"stick"}`), answer(`{"jsonrpc":"2.0","method":"stick","id":7}`)
		other := answer(`{"jsonrpc":"2.0","method":"late","id":7}`)
		time.Sleep(time.Minute)
		mux.Abandon()
		mux.Abandon() // says nothing new
		if a := <-note; !errors.Is(a.Abandoned, jsonrpc.ErrStuck) || !errors.Is(a.Notifications[0].Err, jsonrpc.ErrStuck) {
			t.Errorf("the notification ended as %+v, want it abandoned", a)
		} else {
			says(t, a.Notifications[0].Err.Error(), "1m0s after it began")
		}
		if a := <-call; !errors.Is(a.Abandoned, jsonrpc.ErrStuck) || string(a.Reply) != timedOut {
			t.Errorf("the call ended with %s, abandoned: %v; want %s", a.Reply, a.Abandoned, timedOut)
		}
		if len(mux.Stuck()) != 2 {
			t.Errorf("stuck are %+v, want both, as they run on", mux.Stuck())
		}
		synctest.Wait()
		if len(other) > 0 {
			t.Error("one that was not stuck was abandoned")
		}
		close(late)
		if a := <-other; string(a.Reply) != `{"jsonrpc":"2.0","id":7,"result":"in time"}` {
			t.Errorf("the other was answered %s", a.Reply)
		}
		// What gets stuck later is not waited for.
		start := time.Now()
		if a := <-answer(`{"jsonrpc":"2.0","method":"stick"}`); a.Abandoned == nil || time.Since(start) != 3*time.Second {
			t.Errorf("a later one ended as %+v after %v, want it abandoned after 3s", a, time.Since(start))
		}
		close(release)
		synctest.Wait()
		wantStuck(t, mux)
	})
}

// Without a grace nobody is ever stuck.
func TestNoGrace(t *testing.T) {
	t.Parallel()
	for _, grace := range []time.Duration{0, -time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			mux, release := stubborn(&log, jsonrpc.Timeout(time.Second))
			mux.Grace = grace
			time.AfterFunc(time.Hour, func() { close(release) })
			if got := mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"stick","id":7}`)).Reply; string(got) != `{"jsonrpc":"2.0","id":7,"result":"late"}` {
				t.Errorf("grace %v: answered %s, want that it is waited for", grace, got)
			}
		})
	}
}

func says(t *testing.T, log string, words ...string) {
	t.Helper()
	for _, want := range words {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log: %s", want, log)
		}
	}
}

// Not stuck is what ends within the grace, or before its deadline however long
// ago it was cancelled; nor what had no time to see its deadline, as in a process
// that was stopped meanwhile.
func TestNotStuck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		from, to  time.Duration // of the deadline and of the work, from now
		cancelled bool
	}{
		"within the grace":              {from: time.Second, to: 2900 * time.Millisecond},
		"cancelled, before its time":    {from: time.Minute, to: 59 * time.Second, cancelled: true},
		"woken up long after its time":  {from: -time.Hour, to: 1900 * time.Millisecond},
		"in time, of a deadline far of": {from: 24 * time.Hour, to: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				mux, release := stubborn(&log)
				time.AfterFunc(tt.to, func() { close(release) })
				ctx, cancel := context.WithTimeout(t.Context(), tt.from)
				defer cancel()
				if tt.cancelled {
					cancel()
				}
				answer := mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","method":"stick","id":7}`))
				if want := `{"jsonrpc":"2.0","id":7,"result":"late"}`; string(answer.Reply) != want || len(mux.Stuck()) != 0 || log.Len() > 0 {
					t.Errorf("got %s with %v stuck, want %s; the log: %s", answer.Reply, mux.Stuck(), want, &log)
				}
			})
		})
	}
}

// A handler that ends its goroutine, as t.FailNow does, leaves nobody waiting.
func TestGoexit(t *testing.T) {
	t.Parallel()
	mux := jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler), Grace: time.Second, Timeout: time.Hour}
	mux.Handle("leave", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		runtime.Goexit()
		return nil, nil
	}))
	answer := mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"leave","id":7}`))
	if reply, err := jsonrpc.DecodeReply(answer.Reply); err != nil || reply.Error == nil || reply.Error.Code != jsonrpc.CodeInternal {
		t.Errorf("got %s, want an internal error", answer.Reply)
	}
	if s := mux.Stats().Methods["leave"]; s.Errors != 1 || s.Running != 0 {
		t.Errorf("the stats say %+v, want one error and nothing running", s)
	}
}

// A method's deadline is the caller's, its own, or that of the mux, which is for
// those that have neither.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		caller, method, mux, want time.Duration
	}{
		"of nobody":                       {},
		"of the mux":                      {mux: 25 * time.Second, want: 25 * time.Second},
		"its own, longer than the mux's":  {method: time.Hour, mux: 25 * time.Second, want: time.Hour},
		"its own, shorter than the mux's": {method: time.Second, mux: 25 * time.Second, want: time.Second},
		"the caller's, longer":            {caller: time.Hour, mux: 25 * time.Second, want: time.Hour},
		"the caller's, shorter":           {caller: time.Second, method: time.Minute, mux: 25 * time.Second, want: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				mux := jsonrpc.Mux{Timeout: tt.mux}
				var opts []jsonrpc.Option
				if tt.method > 0 {
					opts = append(opts, jsonrpc.Timeout(tt.method))
				}
				var left time.Duration
				mux.Handle("look", jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) {
					if deadline, ok := ctx.Deadline(); ok {
						left = time.Until(deadline)
					}
					return nil, nil
				}), opts...)
				ctx := t.Context()
				if tt.caller > 0 {
					limited, cancel := context.WithTimeout(ctx, tt.caller)
					defer cancel()
					ctx = limited
				}
				mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","method":"look","id":1}`))
				if left != tt.want {
					t.Errorf("the handler has %v, want %v", left, tt.want)
				}
			})
		})
	}
}
