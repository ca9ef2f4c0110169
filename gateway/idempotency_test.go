package gateway_test

import (
	"context"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A cashier remembers the reply to each key, as a transport does for a method with Dedupe.
type cashier struct {
	runs    int
	replies map[string][]byte
}

func (c *cashier) Call(ctx context.Context, _ string, m transports.Message) ([]byte, error) {
	if kept, ok := c.replies[m.Key]; ok {
		return kept, nil
	}
	c.runs++
	var mux jsonrpc.Mux
	mux.Handle("charge", jsonrpc.Func(func(context.Context, []int) (int, error) { return c.runs, nil }))
	reply := mux.Answer(ctx, m.Body).Reply
	c.replies[m.Key] = reply
	return reply, nil
}

func (c *cashier) Send(ctx context.Context, service string, m transports.Message) error {
	_, err := c.Call(ctx, service, m)
	return err
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	const charge = `{"jsonrpc":"2.0","id":1,"method":"charge","params":[5]}`
	again, more := strings.Replace(charge, `"id":1`, `"id":"b"`, 1), strings.Replace(charge, "[5]", "[6]", 1)
	c := &cashier{replies: map[string][]byte{}}
	o := gateway.Options{Caller: c}
	key := header("Idempotency-Key", "order-1")
	check(t, post(t, o, "/rpc/till", charge, key), 200, `{"jsonrpc":"2.0","id":1,"result":1}`)
	check(t, post(t, o, "/rpc/till", again, key), 200, `{"jsonrpc":"2.0","id":"b","result":1}`)
	check(t, post(t, o, "/rpc/till", again, header("Idempotency-Key", `"order-1"`)), 200, `{"jsonrpc":"2.0","id":"b","result":1}`)
	check(t, post(t, o, "/rpc/till", more, key), 422,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32010,"message":"the idempotency key was used for another request"}}`)
	check(t, post(t, o, "/rpc/till", charge, header("Idempotency-Key", "order-2")), 200, `{"jsonrpc":"2.0","id":1,"result":2}`)
	check(t, post(t, o, "/rpc/till", `{"jsonrpc":"2.0","method":"charge","params":[7]}`, header("Idempotency-Key", "order-3")), 204, "")
	check(t, post(t, o, "/rpc/till", `{"jsonrpc":"2.0","method":"charge","params":[7]}`, header("Idempotency-Key", "order-3")), 204, "")
	if c.runs != 3 {
		t.Errorf("%d runs, want 3", c.runs)
	}
	for _, bad := range []string{strings.Repeat("k", 256), "two words", "é"} {
		if r := post(t, o, "/rpc/till", charge, header("Idempotency-Key", bad)); r.StatusCode != 400 {
			t.Errorf("the key %q: status %d", bad, r.StatusCode)
		}
	}
	if r := post(t, o, "/rpc/till", "["+charge+"]", key); r.StatusCode != 400 {
		t.Errorf("a batch with a key: status %d", r.StatusCode)
	}
	if c.runs != 3 {
		t.Errorf("%d runs, want 3", c.runs)
	}
}
