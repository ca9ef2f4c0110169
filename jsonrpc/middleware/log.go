package middleware

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// Log writes a line for each run of a method: its name, how many milliseconds it
// took and the code of its error, 0 for none. Success is logged at debug level, an
// error at info. Params and error texts are never logged, for they belong to
// users. A nil logger means slog.Default().
func Log(logger *slog.Logger) jsonrpc.Middleware {
	return func(next jsonrpc.Handler) jsonrpc.Handler {
		return func(ctx context.Context, params json.RawMessage) (any, error) {
			start := time.Now()
			code := jsonrpc.CodeInternal // what a panic amounts to
			defer func() { write(ctx, logger, time.Since(start), code) }()
			result, err := next(ctx, params)
			code = jsonrpc.CodeOf(err)
			return result, err
		}
	}
}

func write(ctx context.Context, logger *slog.Logger, took time.Duration, code int) {
	if logger == nil {
		logger = slog.Default()
	}
	level := slog.LevelInfo
	if code == 0 {
		level = slog.LevelDebug
	}
	logger.Log(ctx, level, "rpc", "method", jsonrpc.MethodName(ctx), "ms", took.Milliseconds(), "code", code)
}
