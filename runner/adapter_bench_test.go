package runner

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// BenchmarkHandle is what the adapter and the mux add to a message that a transport has
// taken and will settle.
func BenchmarkHandle(b *testing.B) {
	for _, bb := range []struct{ name, body string }{
		{"call", `{"jsonrpc":"2.0","id":"K7QVNBX2AAAAAAAAAAAAAAAAAA-1f","method":"do","params":[1,5.1]}`},
		{"notification", `{"jsonrpc":"2.0","method":"do","params":[1,5.1]}`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			a := newAdapter(new(bytes.Buffer), map[string]method{"do": fine})
			m := transports.Message{ID: "m1", Key: "m1", Method: "do", Body: []byte(bb.body)}
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			defer cancel()
			ctx = context.WithValue(ctx, transports.SettlerKey{}, dropped{})
			b.ReportAllocs()
			for b.Loop() {
				a.handle(ctx, m)
			}
		})
	}
}

// dropped is a Settler that wants no outcome.
type dropped struct{}

func (dropped) Settle(transports.Outcome) {}
