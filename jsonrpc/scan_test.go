package jsonrpc

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzCheck compares the scanner with encoding/json. It is inside of the package
// because what the scanner lets through, more than what is done with it then,
// must not differ.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e+10,"\u00e9\n",true,false,null],"":{}}`, ` [ ] `, `"\ud800"`, `-`, `01`, `1.e1`, `1e`, `[1,]`, `{"a":1,}`,
		`{1:2}`, `{"a"}`, `nul`, `"a` + "\x1f" + `"`, `"\x"`, `"\u12g4"`, "\"\xc3\x28\"", "\xff", ``, `[[[]]]]`, `tru`, "[\x00]", `"\`, `"\u1`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := check(data)
		if got != nil && strings.Contains(got.Error(), "nested deeper") {
			return // where encoding/json has another limit
		}
		if want := json.Valid(data) && utf8.Valid(data); (got == nil) != want {
			t.Errorf("check(%q) is %v, encoding/json says %v", data, got, want)
		}
	})
}

// The cost of one request, from bytes to bytes.
func BenchmarkAnswer(b *testing.B) {
	var mux Mux
	type operands struct {
		A float64 `json:"a"`
		B float64 `json:"b"`
	}
	mux.Handle("add", Func(func(_ context.Context, in operands) (float64, error) { return in.A + in.B, nil }))
	body := []byte(`{"jsonrpc":"2.0","id":"K7QVNBX2-1f","method":"add","params":{"a":1,"b":5.1}}`)
	b.ReportAllocs()
	for b.Loop() {
		mux.Answer(b.Context(), body)
	}
}
