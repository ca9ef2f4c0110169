package jsonrpc_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// benchMux is set up as package runner does it.
func benchMux() *jsonrpc.Mux {
	mux := &jsonrpc.Mux{Timeout: 25 * time.Second, Grace: 2 * time.Second}
	mux.Handle("add", jsonrpc.Func(func(_ context.Context, in Operands) (float64, error) { return in.A + in.B, nil }))
	mux.Handle("len", jsonrpc.Func(func(_ context.Context, in struct{ Text string }) (int, error) { return len(in.Text), nil }))
	mux.Handle("user", jsonrpc.Func(func(_ context.Context, in user) (user, error) { return in, nil }))
	return mux
}

// A user has the types that params often have.
type user struct {
	ID     int64    `json:"id"`
	Name   string   `json:"name"`
	Active bool     `json:"active"`
	Tags   []string `json:"tags,omitempty"`
	Age    *int     `json:"age"`
}

// The cost of one body, from bytes to bytes. "limited" has a deadline, as every
// request from our own clients.
func BenchmarkAnswer(b *testing.B) {
	const call = `{"jsonrpc":"2.0","id":"K7QVNBX2AAAAAAAAAAAAAAAAAA-1f","method":"add","params":`
	positional, named := call+`[1,5.1]}`, call+`{"a":1,"b":5.1}}`
	text := strings.Replace(call, "add", "len", 1) + `["` + strings.Repeat("The journeyman travels. ", 100_000/24) + `"]}`
	person := strings.Replace(call, "add", "user", 1) + `{"id":4711,"name":"Grace Hopper","active":true,"tags":["navy","compilers"],"age":85}}`
	batch := "[" + positional + strings.Repeat(","+positional, 31) + "]"
	for _, bb := range []struct {
		name, body string
		limited    bool
	}{
		{"positional", positional, false},
		{"limited", positional, true},
		{"named", named, true},
		{"struct", person, true},
		{"text", text, true},
		{"batch", batch, true},
		{"notification", `{"jsonrpc":"2.0","method":"add","params":[1,5.1]}`, true},
		{"nograce", positional, true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			mux, body := benchMux(), []byte(bb.body)
			if bb.name == "nograce" {
				mux.Grace = 0
			}
			if text := string(mux.Answer(b.Context(), body).Reply); strings.Contains(text, "error") {
				b.Fatal(text)
			}
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := b.Context(), context.CancelFunc(func() {})
				if bb.limited { // as a transport makes it
					ctx, cancel = context.WithTimeout(ctx, 25*time.Second)
				}
				mux.Answer(ctx, body)
				cancel()
			}
		})
	}
}

// The caller's side of one call.
func BenchmarkEncodeCall(b *testing.B) {
	id := json.RawMessage(`"K7QVNBX2AAAAAAAAAAAAAAAAAA-1f"`)
	for name, params := range map[string]any{
		"slice": []float64{1, 5.1}, "any": []any{1, 5.1}, "struct": Operands{1, 5.1}, "raw": json.RawMessage(`[1,5.1]`),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jsonrpc.EncodeCall(id, "add", params); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeReply(b *testing.B) {
	body := []byte(`{"jsonrpc":"2.0","id":"K7QVNBX2AAAAAAAAAAAAAAAAAA-1f","result":6.1}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jsonrpc.DecodeReply(body); err != nil {
			b.Fatal(err)
		}
	}
}
