package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// echo returns the params as they came, so that a test sees what a handler saw.
var echo = jsonrpc.Raw(func(_ context.Context, params json.RawMessage) (any, error) { return params, nil })

func TestAnswerSingle(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	call := func(id string) string { return `{"jsonrpc":"2.0","method":"echo","id":` + id + `}` }
	result := func(id, value string) string { return `{"jsonrpc":"2.0","id":` + id + `,"result":` + value + `}` }
	fault := func(id string, code int, message, data string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q,"data":%s}}`, id, code, message, data)
	}
	invalid := func(id, why string) string { return fault(id, -32600, "Invalid Request", encode(t, why)) }
	const parseError = "parse error"

	for name, tt := range map[string]struct{ body, want string }{
		// Ids come back byte for byte, whatever they look like.
		"id number":        {call(`7`), result(`7`, `null`)},
		"id above 2^53":    {call(`9007199254740993`), result(`9007199254740993`, `null`)},
		"id huge":          {call(`123456789012345678901234567890`), result(`123456789012345678901234567890`, `null`)},
		"id fraction":      {call(`1.50`), result(`1.50`, `null`)},
		"id exponent":      {call(`-1E+2`), result(`-1E+2`, `null`)},
		"id empty string":  {call(`""`), result(`""`, `null`)},
		"id escaped":       {call(`"\u00e9\/\ud83d\ude00"`), result(`"\u00e9\/\ud83d\ude00"`, `null`)},
		"id null is an id": {call(`null`), result(`null`, `null`)},
		"id array":         {call(`[1]`), invalid(`null`, "id must be a string, a number or null")},
		"id object":        {call(`{}`), invalid(`null`, "id must be a string, a number or null")},
		"id bool":          {call(`true`), invalid(`null`, "id must be a string, a number or null")},
		"no id":            {`{"jsonrpc":"2.0","method":"echo"}`, ``},
		"no id, no method": {`{"jsonrpc":"2.0","method":"nope"}`, ``},

		// Params reach the handler as they were sent.
		"params raw":    {`{"jsonrpc":"2.0","method":"echo","params":[ 1.10 ,"\u0041"],"id":1}`, result(`1`, `[ 1.10 ,"\u0041"]`)},
		"params null":   {`{"jsonrpc":"2.0","method":"echo","params":null,"id":1}`, invalid(`1`, "params must be an array or an object, or absent")},
		"params string": {`{"jsonrpc":"2.0","method":"echo","params":"x","id":1}`, invalid(`1`, "params must be an array or an object, or absent")},

		// Names are exact, and none of ours occurs twice.
		"escaped name":    {`{"jsonrpc":"2.0","\u006dethod":"echo","id":1}`, result(`1`, `null`)},
		"escaped method":  {`{"jsonrpc":"2.0","method":"\u0065cho","id":1}`, result(`1`, `null`)},
		"folded method":   {`{"jsonrpc":"2.0","Method":"echo","id":1}`, invalid(`1`, "method is missing")},
		"folded id":       {`{"jsonrpc":"2.0","method":"echo","ID":1}`, ``},
		"folded jsonrpc":  {`{"JSONRPC":"2.0","method":"echo","id":1}`, invalid(`1`, "jsonrpc is missing")},
		"two methods":     {`{"jsonrpc":"2.0","method":"echo","method":"x","id":1}`, invalid(`1`, "method occurs twice")},
		"two params":      {`{"jsonrpc":"2.0","method":"echo","params":[],"params":[],"id":1}`, invalid(`1`, "params occurs twice")},
		"two versions":    {`{"jsonrpc":"2.0","jsonrpc":"2.0","method":"echo","id":1}`, invalid(`1`, "jsonrpc occurs twice")},
		"two ids":         {`{"jsonrpc":"2.0","method":"echo","id":1,"id":2}`, invalid(`null`, "id occurs twice")},
		"two ids, hidden": {`{"jsonrpc":"2.0","method":"echo","id":1,"\u0069d":2}`, invalid(`null`, "id occurs twice")},
		"extension":       {`{"jsonrpc":"2.0","method":"echo","trace":{"id":2},"id":1}`, result(`1`, `null`)},
		"version 1.0":     {`{"jsonrpc":"1.0","method":"echo","id":1}`, invalid(`1`, `jsonrpc must be "2.0"`)},
		"version number":  {`{"jsonrpc":2.0,"method":"echo","id":1}`, invalid(`1`, `jsonrpc must be "2.0"`)},
		"method number":   {`{"jsonrpc":"2.0","method":7,"id":1}`, invalid(`1`, "method must be a string")},
		"a response":      {`{"jsonrpc":"2.0","result":7,"id":1}`, invalid(`1`, "method is missing")},
		"empty object":    {`{}`, invalid(`null`, "jsonrpc is missing")},
		"a scalar":        {`7`, invalid(`null`, "a request is an object")},
		"unknown method":  {`{"jsonrpc":"2.0","method":"nope","id":1}`, fault(`1`, -32601, "Method not found", `{"method":"nope"}`)},
		"empty method":    {`{"jsonrpc":"2.0","method":"","id":1}`, fault(`1`, -32601, "Method not found", `{"method":""}`)},
		"unknown rpc":     {`{"jsonrpc":"2.0","method":"rpc.nope","id":1}`, fault(`1`, -32601, "Method not found", `{"method":"rpc.nope"}`)},
		"white space":     {" \t\r\n" + call(`1`) + "\n ", result(`1`, `null`)},

		// What is no JSON runs nothing.
		"nothing":           {``, parseError},
		"trailing data":     {call(`1`) + `1`, parseError},
		"trailing NUL":      {call(`1`) + "\x00", parseError},
		"byte order mark":   {"\ufeff" + call(`1`), parseError},
		"invalid UTF-8":     {`{"jsonrpc":"2.0","method":"echo","params":["` + "\xff" + `"],"id":1}`, parseError},
		"trailing comma":    {`{"jsonrpc":"2.0","method":"echo","id":1,}`, parseError},
		"leading zero":      {call(`01`), parseError},
		"bare point":        {call(`1.`), parseError},
		"NaN":               {call(`NaN`), parseError},
		"raw control":       {call("\"\n\""), parseError},
		"half an escape":    {call(`"\u00g0"`), parseError},
		"as deep as may be": {`{"jsonrpc":"2.0","method":"echo","params":` + deep(999) + `,"id":1}`, result(`1`, deep(999))},
		"too deep":          {`{"jsonrpc":"2.0","method":"echo","params":` + deep(1000) + `,"id":1}`, parseError},
		"depth bomb":        {strings.Repeat(`[`, 1_000_000), parseError},
		"depth bomb inside": {`{"jsonrpc":"2.0","method":"echo","params":` + strings.Repeat(`{"a":[`, 100_000), parseError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mux jsonrpc.Mux
			mux.Handle("echo", echo)
			got := string(mux.Answer(t.Context(), []byte(tt.body)).Reply)
			if tt.want == parseError {
				const begin = `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error","data":"`
				if !strings.HasPrefix(got, begin) {
					t.Errorf("got %s, want a parse error", got)
				}
			} else if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnswerBatch(t *testing.T) {
	t.Parallel()
	var mux jsonrpc.Mux
	mux.Handle("echo", echo)
	body := ` [ {"jsonrpc":"2.0","method":"echo","params":[1],"id":5} ,
		{"jsonrpc":"2.0", "method":"echo"},
		{"jsonrpc":"2.0","method":"echo","params":[2],"id":5},
		{"jsonrpc":"2.0","method":"nope"},
		[], {"jsonrpc":"2.0","method":"echo","params":[3],"id":"5"} ] `
	got := mux.Answer(t.Context(), []byte(body))
	// In request order, equal ids each answered, notifications left out.
	want := `[{"jsonrpc":"2.0","id":5,"result":[1]},` +
		`{"jsonrpc":"2.0","id":5,"result":[2]},` +
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request","data":"a request is an object"}},` +
		`{"jsonrpc":"2.0","id":"5","result":[3]}]`
	if diff := gocmp.Diff(want, string(got.Reply)); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
	if len(got.Notifications) != 2 {
		t.Fatalf("got %d notifications, want 2", len(got.Notifications))
	}
	if n := got.Notifications[0]; n.Method != "echo" || n.Err != nil || string(n.Body) != `{"jsonrpc":"2.0", "method":"echo"}` {
		t.Errorf("first notification is %+v with body %s", n, n.Body)
	}
	if n := got.Notifications[1]; n.Method != "nope" || jsonrpc.CodeOf(n.Err) != jsonrpc.CodeMethodNotFound {
		t.Errorf("second notification is %+v, want method not found", n)
	}
}

func TestBatchTooLong(t *testing.T) {
	t.Parallel()
	var mux jsonrpc.Mux
	ran := false
	mux.Handle("run", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { ran = true; return nil, nil }))
	batch := `[{"jsonrpc":"2.0","method":"run"}` + strings.Repeat(`,1`, jsonrpc.MaxBatch) + `]`
	got := string(mux.Answer(t.Context(), []byte(batch)).Reply)
	want := `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request","data":"the batch has too many members"}}`
	if got != want || ran {
		t.Errorf("got %s (ran: %v), want %s and nothing run", got, ran, want)
	}
}

// A batch runs some members at once, but no more than eight, so that it does not
// get past the limit of its worker.
func TestBatchConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mux jsonrpc.Mux
		var mu sync.Mutex
		running, most := 0, 0
		mux.Handle("wait", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second) // on the bubble's clock: until all others wait too
			mu.Lock()
			running--
			mu.Unlock()
			return nil, nil
		}))
		mux.Answer(t.Context(), []byte(`[`+strings.Repeat(`{"jsonrpc":"2.0","method":"wait"},`, 19)+`{"jsonrpc":"2.0","method":"wait"}]`))
		if most != 8 {
			t.Errorf("%d members ran at once, want 8", most)
		}
	})
}

// What of a batch has not begun when its context ends is not begun any more.
func TestBatchEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cancelled time.Duration // after the start; the deadline is a minute
		want      error
		code      int
	}{
		"deadline":  {time.Hour, context.DeadlineExceeded, jsonrpc.CodeTimeout},
		"cancelled": {time.Second, context.Canceled, jsonrpc.CodeCanceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mux jsonrpc.Mux
				ctx, cancel := context.WithTimeout(jsonrpc.WithKey(t.Context(), "k"), time.Minute)
				defer cancel()
				time.AfterFunc(tt.cancelled, cancel)
				mux.Handle("wait", jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) {
					<-ctx.Done()
					return "begun", nil
				}))
				const call, note = `{"jsonrpc":"2.0","method":"wait","id":1}`, `{"jsonrpc":"2.0","method":"wait"}`
				got := mux.Answer(ctx, []byte(`[`+strings.Repeat(call+`,`, 8)+call+`,`+note+`,7]`))
				replies, _, err := jsonrpc.DecodeReplies(got.Reply)
				if err != nil || len(replies) != 10 {
					t.Fatalf("got %s (%v), want 10 replies", got.Reply, err)
				}
				for i, want := range []int{0, 0, 0, 0, 0, 0, 0, 0, tt.code, jsonrpc.CodeInvalidRequest} {
					if code := codeOf(replies[i]); code != want {
						t.Errorf("member %d is answered with code %d, want %d", i, code, want)
					}
				}
				n := got.Notifications[0]
				if !errors.Is(n.Err, jsonrpc.ErrNotBegun) || !errors.Is(n.Err, tt.want) || n.Key != "k#9" {
					t.Errorf("the notification ended as %+v, want ErrNotBegun and %v", n, tt.want)
				}
				if calls := mux.Stats().Methods["wait"].Calls; calls != 8 {
					t.Errorf("%d members ran, want 8", calls)
				}
			})
		})
	}
}

func codeOf(r jsonrpc.Reply) int {
	if r.Error == nil {
		return 0
	}
	return r.Error.Code
}

// brokenError has an Error method that needs a value behind its pointer.
type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

// What a handler's error becomes on the wire, in the log and for a notification.
func TestErrors(t *testing.T) {
	t.Parallel()
	secret := errors.New("password hunter2 rejected")
	for name, tt := range map[string]struct {
		handler jsonrpc.Handler
		code    int
		log     string // "": nothing is logged
	}{
		"own":             {fails(jsonrpc.Errorf(7, "seven")), 7, ""},
		"own, wrapped":    {fails(fmt.Errorf("count: %w", jsonrpc.Errorf(7, "seven"))), 7, ""},
		"own, bad data":   {fails(&jsonrpc.Error{Code: 7, Data: json.RawMessage("{oops")}), 7, ""},
		"own, bad text":   {fails(&jsonrpc.Error{Code: 7, Message: "\xff\x00"}), 7, ""},
		"deadline":        {fails(fmt.Errorf("query: %w", context.DeadlineExceeded)), jsonrpc.CodeTimeout, ""},
		"canceled":        {fails(context.Canceled), jsonrpc.CodeCanceled, ""},
		"any other":       {fails(secret), jsonrpc.CodeInternal, "hunter2"},
		"nil pointer":     {fails((*jsonrpc.Error)(nil)), jsonrpc.CodeInternal, "*jsonrpc.Error"},
		"broken":          {fails((*brokenError)(nil)), jsonrpc.CodeInternal, "*jsonrpc_test.brokenError"},
		"remote, own":     {fails(remote{jsonrpc.Errorf(7, "seven")}), 7, ""},
		"remote, unknown": {fails(remote{jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "nope")}), jsonrpc.CodeInternal, "nope"},
		"panic":           {func(context.Context, json.RawMessage) (any, error) { panic(secret) }, jsonrpc.CodeInternal, "answer_test.go"},
		"panic, encoding": {returns(panics{}), jsonrpc.CodeInternal, "MarshalJSON"},
		"no JSON form":    {returns(make(chan int)), jsonrpc.CodeInternal, "chan int"},
		"no JSON":         {returns(json.RawMessage(`{"a":`)), jsonrpc.CodeInternal, "encode result"},
		"no UTF-8":        {returns([]json.RawMessage{json.RawMessage("\"\xff\"")}), jsonrpc.CodeInternal, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			mux := jsonrpc.Mux{Logger: slog.New(slog.NewTextHandler(&log, nil))}
			mux.Handle("m", jsonrpc.Raw(tt.handler))

			body := mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"m","id":1}`)).Reply
			reply, err := jsonrpc.DecodeReply(body)
			if err != nil {
				t.Fatalf("reply %s: %v", body, err)
			}
			if reply.Error == nil || reply.Error.Code != tt.code {
				t.Fatalf("reply is %s, want code %d", body, tt.code)
			}
			if strings.Contains(string(body), "hunter2") {
				t.Errorf("reply %s holds the secret", body)
			}
			if tt.log == "" && log.Len() > 0 || !strings.Contains(log.String(), tt.log) {
				t.Errorf("log is %q, want %q", log.String(), tt.log)
			}
			if tt.code == jsonrpc.CodeInternal {
				var data struct{ ID string }
				if err := json.Unmarshal(reply.Error.Data, &data); err != nil || data.ID == "" || !strings.Contains(log.String(), data.ID) {
					t.Errorf("the log does not have the id in %s (%v): %s", body, err, log.String())
				}
			}

			log.Reset()
			got := mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"m"}`))
			if got.Reply != nil || len(got.Notifications) != 1 || got.Notifications[0].Err == nil {
				t.Fatalf("as a notification: %+v", got)
			}
			_ = got.Notifications[0].Err.Error() // must not panic
			if !strings.Contains(log.String(), tt.log) {
				t.Errorf("log of the notification is %q, want %q", log.String(), tt.log)
			}
		})
	}
}

func fails(err error) jsonrpc.Handler {
	return func(context.Context, json.RawMessage) (any, error) { return nil, err }
}

func returns(v any) jsonrpc.Handler {
	return func(context.Context, json.RawMessage) (any, error) { return v, nil }
}

type remote struct{ error }

func (r remote) Unwrap() error                  { return r.error }
func (remote) Remote() (service, method string) { return "other", "m" }

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("in the encoder") }
