package redislist

import (
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

func benchFrame() frame {
	return frame{
		Message: transports.Message{
			ID: "0191aaaa-bbbb-cccc-dddd-eeeeffff0000-1a2b", Method: "add",
			Expires: time.UnixMilli(1789000025000), Enqueued: time.UnixMilli(1789000000000),
			Body: []byte(`{"jsonrpc":"2.0","id":"ABCDEFGHIJKLMNOPQRSTUVWXYZ-1a2b","method":"add","params":[1,5.1]}`),
		},
		replyTo: "{journeyman}:r:0191aaaa-bbbb-cccc-dddd-eeeeffff0000",
	}
}

func BenchmarkEncode(b *testing.B) {
	f := benchFrame()
	b.ReportAllocs()
	for b.Loop() {
		_ = f.encode()
	}
}

func BenchmarkDecode(b *testing.B) {
	f := benchFrame()
	raw := f.encode()
	b.ReportAllocs()
	for b.Loop() {
		_ = decode(raw)
	}
}
