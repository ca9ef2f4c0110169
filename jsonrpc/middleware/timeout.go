package middleware

import (
	"context"
	"encoding/json"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// Timeout gives work that has no deadline one, d after it starts. Calls bring
// their caller's; what it is for are notifications, which have none. A method
// with a timeout of its own keeps that.
func Timeout(d time.Duration) jsonrpc.Middleware {
	return func(next jsonrpc.Handler) jsonrpc.Handler {
		return func(ctx context.Context, params json.RawMessage) (any, error) {
			if _, ok := ctx.Deadline(); ok {
				return next(ctx, params)
			}
			ctx, cancel := context.WithTimeout(ctx, d)
			defer cancel()
			return next(ctx, params)
		}
	}
}
