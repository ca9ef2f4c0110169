// Package requestid carries the id of a request to the gateway to all that is done for it:
// the call that it becomes, the calls that are made while that runs, and what is logged
// meanwhile. Whoever has the id of an answer (X-Request-ID) finds all of that in the logs.
package requestid

import (
	"context"
	"log/slog"
	"strings"
)

// Header names what a message takes along.
const Header = "x-request-id"

type key struct{}

// With returns a context of what is done for the request with that id.
func With(ctx context.Context, id string) context.Context { return context.WithValue(ctx, key{}, id) }

// Of returns the id of the request for which ctx was made, or "".
func Of(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

// LogAttrs is for package contextlog: it adds request_id.
func LogAttrs(ctx context.Context) []slog.Attr {
	if id := Of(ctx); id != "" {
		return []slog.Attr{slog.String("request_id", id)}
	}
	return nil
}

// Valid reports whether an id from outside may stand in logs and headers. All those that
// Heroku's router lets through are such: UUIDs, and 20 to 200 letters, digits, +, /, = and -
// of its clients' choice (https://devcenter.heroku.com/articles/http-request-id).
func Valid(id string) bool {
	return len(id) >= 1 && len(id) <= 200 && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.=+/", c)
	})
}
