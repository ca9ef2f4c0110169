package jsonrpc

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Public makes a method reachable from outside, through the gateway. To whoever comes
// that way every other method is unknown; services call each other's methods whether
// they are public or not.
func Public() Option {
	return func(e *entry) { e.public = true }
}

// Scope makes a method public for those alone whose principal has all of these scopes:
// others are answered with CodeForbidden. It panics on no scope and on one that is no
// word: scopes are listed with spaces between them (RFC 6749, section 3.3).
func Scope(names ...string) Option {
	if len(names) == 0 {
		panic("jsonrpc: Scope needs a scope")
	}
	for _, name := range names {
		if name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }) {
			panic(fmt.Sprintf("jsonrpc: scope %q must be printable ASCII without spaces, quotes and backslashes", name))
		}
	}
	return func(e *entry) { e.public, e.scopes = true, append(e.scopes, names...) }
}

// A Principal is who sent a request from outside, as the gateway has found out.
type Principal struct {
	Subject string   // of a token, or the name of an API key
	Scopes  []string // what it may do; "*" is everything
}

// Has reports whether the principal has a scope.
func (p Principal) Has(scope string) bool {
	return slices.Contains(p.Scopes, scope) || slices.Contains(p.Scopes, "*")
}

// An outsider is what a context knows of a request from outside.
type outsider struct{ principal *Principal }

type outsiderKey struct{}

// Outside returns a context for Answer to run a body that came from outside: public
// methods alone exist for it. principal is nil where nobody has found out who sent it.
func Outside(ctx context.Context, principal *Principal) context.Context {
	return context.WithValue(ctx, outsiderKey{}, &outsider{principal})
}

// PrincipalOf returns who sent the request that ctx was made for. ok is false for a
// request of another service, where the gateway asks nobody who they are, and where its
// word cannot be verified: for that all processes have the same JOURNEYMAN_PRINCIPAL_KEYS.
// A call that a handler makes in turn is the handler's own.
func PrincipalOf(ctx context.Context) (p Principal, ok bool) {
	o, _ := ctx.Value(outsiderKey{}).(*outsider)
	if o == nil || o.principal == nil {
		return p, false
	}
	return *o.principal, true
}

// isOutside reports whether ctx was made by Outside.
func isOutside(ctx context.Context) bool { return ctx.Value(outsiderKey{}) != nil }

// admit finds the method that a request asks for, or why there is none for it.
func (j *job) admit(ctx context.Context, method string) (*entry, *Error) {
	e := j.mux.lookup(method)
	if e == nil || j.outside && !e.public {
		if e != nil && e.hidden.CompareAndSwap(false, true) { // once, or outsiders could fill the log
			j.mux.logger().InfoContext(ctx, "method was asked for from outside, where it is unknown: it is not public", "method", method)
		}
		return nil, Errorf(CodeMethodNotFound, "Method not found").WithData(map[string]string{"method": method})
	}
	if !j.outside || len(e.scopes) == 0 {
		return e, nil
	}
	principal, _ := PrincipalOf(ctx)
	for _, scope := range e.scopes {
		if !principal.Has(scope) {
			return nil, Errorf(CodeForbidden, "Forbidden").WithData(map[string]string{"scope": scope})
		}
	}
	return e, nil
}
