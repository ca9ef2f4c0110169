package transports

import "context"

// A Settler settles a handler's message before the handler returns. It is for who must
// answer for a handler that does not come back, and cannot leave its goroutine.
type Settler interface {
	// Settle gives the outcome, as returning it would: the message is acknowledged,
	// its slot free for the next, and nothing waits for the handler any more. Only
	// the first outcome of a message counts; what the handler returns after it is
	// dropped. It may be called from any goroutine, and may wait for the broker.
	Settle(o Outcome)
}

// SettlerKey is the key under which a transport that can do it puts a Settler into
// the context of a handler.
type SettlerKey struct{}

// SettlerOf returns the Settler of the message that ctx is for, nil if there is none.
// Whoever asks for it takes charge: a handler that ends its goroutine without returning
// leaves its message unsettled then, and its slot taken, until Settle is called.
func SettlerOf(ctx context.Context) Settler {
	s, _ := ctx.Value(SettlerKey{}).(Settler)
	return s
}
