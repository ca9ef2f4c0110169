package client_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/transports"
)

// A parrot is a Caller that answers at once, always with the same result, so that
// a benchmark measures the client alone.
type parrot string

func (p parrot) Call(_ context.Context, _ string, m transports.Message) ([]byte, error) {
	_, id, _ := bytes.Cut(m.Body, []byte(`"id":`))
	id, _, _ = bytes.Cut(id, []byte(","))
	reply := make([]byte, 0, len(id)+len(p)+40)
	reply = append(append(reply, `{"jsonrpc":"2.0","id":`...), id...)
	return append(append(append(reply, `,"result":`...), p...), '}'), nil
}

func (parrot) Send(context.Context, string, transports.Message) error { return nil }

// The caller's side of a call, from Go values to Go values.
func BenchmarkCall(b *testing.B) {
	type operands struct {
		A float64 `json:"a"`
		B float64 `json:"b"`
	}
	b.Run("float", func(b *testing.B) {
		c := client.New(parrot("6.1"), "calculator")
		b.ReportAllocs()
		for b.Loop() {
			if got, err := client.Result[float64](b.Context(), c, "add", []any{1, 5.1}); err != nil || got != 6.1 {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("named", func(b *testing.B) {
		c := client.New(parrot("6.1"), "calculator")
		b.ReportAllocs()
		for b.Loop() {
			if got, err := client.Result[float64](b.Context(), c, "add", operands{1, 5.1}); err != nil || got != 6.1 {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("struct", func(b *testing.B) {
		c := client.New(parrot(`{"a":1,"b":5.1}`), "calculator")
		b.ReportAllocs()
		for b.Loop() {
			if got, err := client.Result[operands](b.Context(), c, "same", operands{1, 5.1}); err != nil || got.B != 5.1 {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("text", func(b *testing.B) {
		text := strings.Repeat("The journeyman travels. ", 100_000/24)
		c := client.New(parrot(`"`+text+`"`), "echo")
		b.ReportAllocs()
		for b.Loop() {
			if got, err := client.Result[string](b.Context(), c, "echo", []string{text}); err != nil || len(got) != len(text) {
				b.Fatal(len(got), err)
			}
		}
	})
}
