package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// members returns a batch of n calls of a method, with ids from 1 on.
func members(method string, n int) string {
	var all []string
	for id := range n {
		all = append(all, fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"id":%d}`, method, id+1))
	}
	return strings.Join(all, ",")
}

// A batch of which more members are stuck than may run at once is answered all the
// same: whoever is given up makes room for the next.
func TestStuckMakesRoomInBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		mux, release := stubborn(&log, jsonrpc.Timeout(time.Second))
		start := time.Now()
		answer := mux.Answer(t.Context(), []byte(`[`+members("stick", 20)+`,{"jsonrpc":"2.0","method":"echo","params":[1],"id":21}]`))
		if took := time.Since(start); took != 9*time.Second {
			t.Errorf("answered after %v, want 3s for each eight of them", took)
		}
		replies, _, err := jsonrpc.DecodeReplies(answer.Reply)
		if err != nil || len(replies) != 21 || string(replies[20].Result) != `[1]` {
			t.Fatalf("got %s (%v), want 21 replies and a result at the end", answer.Reply, err)
		}
		for i, r := range replies[:20] {
			if string(r.ID) != fmt.Sprint(i+1) || r.Error == nil || r.Error.Code != jsonrpc.CodeTimeout {
				t.Errorf("reply %d is %+v, want a timeout", i, r)
			}
		}
		if len(mux.Stuck()) != 20 {
			t.Errorf("%d are stuck, want 20", len(mux.Stuck()))
		}
		close(release)
		synctest.Wait()
		wantStuck(t, mux)
	})
}

// Whoever comes back late does not take a further member: another one does already.
func TestBatchBoundHoldsWhenStuckReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mux, release := stubborn(new(bytes.Buffer), jsonrpc.Timeout(time.Second))
		var running, most atomic.Int64
		mux.Handle("sleep", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			time.Sleep(10 * time.Second)
			return nil, nil
		}), jsonrpc.Timeout(time.Hour))
		time.AfterFunc(5*time.Second, func() { close(release) })
		mux.Answer(t.Context(), []byte(`[`+members("stick", 8)+`,`+members("sleep", 40)+`]`))
		if most.Load() != 8 {
			t.Errorf("up to %d ran at once, want 8", most.Load())
		}
	})
}

// Members that end their goroutine leave none of the others behind.
func TestGoexitInBatch(t *testing.T) {
	t.Parallel()
	mux := jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler), Grace: time.Second}
	mux.Handle("echo", echo)
	var begun atomic.Int64
	mux.Handle("leave", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		begun.Add(1)
		runtime.Goexit()
		return nil, nil
	}))
	answer := mux.Answer(t.Context(), []byte(`[`+members("echo", 1)+`,`+members("leave", 20)+`,`+members("echo", 9)+`]`))
	replies, _, err := jsonrpc.DecodeReplies(answer.Reply)
	if err != nil || len(replies) != 30 || begun.Load() != 20 {
		t.Fatalf("got %d replies, %d begun (%v), want 30 and 20", len(replies), begun.Load(), err)
	}
	for i, r := range replies {
		if left := i >= 1 && i < 21; left != (r.Error != nil) {
			t.Errorf("reply %d is %+v", i, r)
		}
	}
}

// Each handler has its own deadline and grace, in whatever order they came and end.
func TestEachIsStuckInItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mux := &jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler), Grace: 2 * time.Second}
		mux.Handle("sleep", jsonrpc.Func(func(_ context.Context, in struct{ Seconds int }) (string, error) {
			time.Sleep(time.Duration(in.Seconds) * time.Second)
			return "slept", nil
		}))
		start := time.Now()
		type call struct{ deadline, sleep int } // in seconds
		answered := func(c call) (after time.Duration, reply jsonrpc.Reply) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(c.deadline)*time.Second)
			defer cancel()
			answer := mux.Answer(ctx, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"sleep","params":[%d],"id":1}`, c.sleep))
			reply, err := jsonrpc.DecodeReply(answer.Reply)
			if err != nil {
				t.Error(err)
			}
			return time.Since(start), reply
		}
		calls := []call{{60, 1}, {30, 90}, {10, 11}, {10, 90}, {20, 90}, {1, 90}, {10, 13}, {40, 2}, {1, 2}, {70, 69}, {30, 31}, {5, 90}}
		done := make(chan string)
		for _, c := range calls {
			go func() {
				want, result := time.Duration(c.sleep)*time.Second, `"slept"`
				if limit := time.Duration(c.deadline+2) * time.Second; want > limit {
					want, result = limit, ""
				}
				if after, reply := answered(c); after != want || string(reply.Result) != result {
					done <- fmt.Sprintf("%+v: answered after %v with %+v, want %v and %q", c, after, reply, want, result)
					return
				}
				done <- ""
			}()
		}
		for range calls {
			if fault := <-done; fault != "" {
				t.Error(fault)
			}
		}
		time.Sleep(time.Hour)
		if diff := cmp.Diff(0, len(mux.Stuck())); diff != "" {
			t.Errorf("after all have returned (-want +got):\n%s", diff)
		}
	})
}

// Answers do not get mixed up when everything about them is in use again.
func TestAnswerInParallel(t *testing.T) {
	t.Parallel()
	mux := benchMux()
	done := make(chan error)
	const callers, calls = 32, 200
	for caller := range callers {
		go func() {
			for i := range calls {
				id := caller*calls + i
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				reply := mux.Answer(ctx, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"add","params":[%d,0.5],"id":%d}`, id, id)).Reply
				cancel()
				if want := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":%d.5}`, id, id); string(reply) != want {
					done <- fmt.Errorf("got %s, want %s", reply, want)
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if s := mux.Stats().Methods["add"]; s.Calls != callers*calls || s.Running != 0 || s.Errors != 0 {
		t.Errorf("the stats say %+v", s)
	}
}
