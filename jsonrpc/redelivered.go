package jsonrpc

import "context"

type redelivered struct{}

// WithRedelivered returns a context for Answer to run a body that may have run before.
func WithRedelivered(ctx context.Context) context.Context {
	return context.WithValue(ctx, redelivered{}, true)
}

// Redelivered reports whether the request that ctx was made for may have run before, as
// far as the transport knows: a worker died over it, handed it back or failed. A handler
// that must not do a thing twice looks then whether it is done.
func Redelivered(ctx context.Context) bool { return ctx.Value(redelivered{}) != nil }
