package jsonrpc_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// repeater answers with a text of so many bytes.
func repeater(limit int) *jsonrpc.Mux {
	mux := &jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler), MaxReply: limit}
	mux.Handle("repeat", jsonrpc.Func(func(_ context.Context, in []int) (string, error) {
		return strings.Repeat("x", in[0]), nil
	}))
	return mux
}

func repeat(id string, bytes int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"repeat","params":[%d]}`, id, bytes)
}

func TestLongResults(t *testing.T) {
	t.Parallel()
	fits := len(`{"jsonrpc":"2.0","id":1,"result":""}`) + 1000
	reply := func(body string, limit int) string {
		return string(repeater(limit).Answer(t.Context(), []byte(body)).Reply)
	}
	if got := reply(repeat("1", 1000), fits); len(got) != fits {
		t.Errorf("a reply as long as the limit: %s", got)
	}
	want := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"error":{"code":-32003,"message":"Result too long","data":{"bytes":%d,"limit":%d}}}`, fits, fits-1)
	if diff := cmp.Diff(want, reply(repeat("1", 1000), fits-1)); diff != "" {
		t.Error(diff)
	}
	if got := reply(repeat("1", 1_000_000), 0); len(got) < 1_000_000 {
		t.Errorf("without a limit: %d bytes", len(got))
	}
}

// The members of a batch share the limit. Errors and short results are not in the way
// of each other, and none is left without an answer.
func TestLongBatches(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	var body []string
	for i := range 20 {
		body = append(body, repeat(fmt.Sprint(i), 1500))
	}
	body = append(body, "7", repeat(`"`+strings.Repeat("i", 300)+`"`, 2000), repeat("90", 3), `{"jsonrpc":"2.0","method":"repeat","params":[100000]}`)
	got := repeater(limit).Answer(t.Context(), []byte("["+strings.Join(body, ",")+"]")).Reply
	replies, _, err := jsonrpc.DecodeReplies(got)
	if err != nil || len(replies) != 23 || len(got) > limit {
		t.Fatalf("%d replies in %d bytes, %v", len(replies), len(got), err)
	}
	whole := 0
	for i, r := range replies {
		switch {
		case r.Error == nil && len(r.Result) == 1502:
			whole++
			if i > whole-1 {
				t.Errorf("result %d stays and an earlier one does not", i)
			}
		case string(r.ID) == "90" && string(r.Result) != `"xxx"`:
			t.Errorf("a short result became %s %v", r.Result, r.Error)
		}
	}
	if whole < 3 {
		t.Errorf("%d long results stay, want as many as there is room for", whole)
	}
}
