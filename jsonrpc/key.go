package jsonrpc

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Dedupe makes a method run effectively once for each idempotency key: a request
// whose key was seen within window before is not run but answered with the reply
// of the one that succeeded. Failures are not remembered, so trying again is
// possible. A key is that of a message, so a batch has one and is remembered whole,
// for the longest window of its methods.
//
// Where a worker dies in the middle, the method runs again, since nobody knows how
// far it came. Effects that lie elsewhere, as a payment, want [Key] passed on.
//
// A handler that does not return keeps its key: a call of such a method is not given
// up at its deadline, see [Mux.Stuck].
//
// It is the transport that remembers; one that cannot refuses to serve. It panics
// unless window is positive.
func Dedupe(window time.Duration) Option {
	if window <= 0 {
		panic(fmt.Sprintf("jsonrpc: dedupe window %v must be positive", window))
	}
	return func(e *entry) { e.dedupe = window }
}

// Window returns the longest window that Dedupe gave to a method which body asks
// for, 0 if there is none or body cannot be read.
func (m *Mux) Window(body []byte) time.Duration {
	var longest time.Duration
	if !m.dedupes { // most do not, and need not read every body twice
		return longest
	}
	members, _, fault, err := parse(nil, body)
	if err != nil || fault != "" {
		return longest
	}
	for _, r := range members {
		if e := m.entries[r.method]; e != nil && r.fault == "" {
			longest = max(longest, e.dedupe)
		}
	}
	return longest
}

type idempotencyKey struct{}

// WithKey returns a context for Answer to run a body under an idempotency key:
// what is delivered again comes under the same one.
func WithKey(ctx context.Context, key string) context.Context {
	if key == Key(ctx) {
		return ctx
	}
	return context.WithValue(ctx, idempotencyKey{}, key)
}

// Key returns the idempotency key of the request that ctx was made for: the same
// in every attempt, another for every other request. A member of a batch has the
// key of the batch, "#" and its index. It is "" where nobody gave one.
//
// A handler hands it on to whatever takes one: a payment provider, a unique
// column, or a call to another service.
func Key(ctx context.Context) string {
	key, _ := ctx.Value(idempotencyKey{}).(string)
	return key
}

// memberContext returns the context of one member of a batch.
func memberContext(ctx context.Context, index int) context.Context {
	if key := Key(ctx); key != "" {
		return WithKey(ctx, key+"#"+strconv.Itoa(index))
	}
	return ctx
}
