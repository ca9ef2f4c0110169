package runner

import (
	"context"
	"errors"
	"time"

	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// isOutside reports whether a message has come through the gateway.
func isOutside(m transports.Message) bool { return m.Header[passport.Outside] != "" }

// from returns a context that knows where a message is from and who sent it. What comes
// from outside with a principal that is not to be believed is nobody's.
func (a *adapter) from(ctx context.Context, m transports.Message) context.Context {
	token := m.Header[passport.Principal]
	if !isOutside(m) {
		if token != "" {
			a.doubt(ctx, m, errors.New("the gateway did not send it"))
		}
		return ctx
	}
	if token == "" {
		return jsonrpc.Outside(ctx, nil)
	}
	subject, scopes, err := a.principals.Verify(a.service, token)
	if err != nil {
		a.doubt(ctx, m, err)
		return jsonrpc.Outside(ctx, nil)
	}
	return jsonrpc.Outside(ctx, &jsonrpc.Principal{Subject: subject, Scopes: scopes})
}

// doubt counts a principal that is not believed, and says so now and again: whoever can
// send one could fill the log.
func (a *adapter) doubt(ctx context.Context, m transports.Message, why error) {
	n := a.forged.Add(1)
	now, last := time.Now().UnixNano(), a.doubted.Load()
	if last != 0 && now-last < int64(remindEvery) || !a.doubted.CompareAndSwap(last, now) {
		return
	}
	hint := "is JOURNEYMAN_PRINCIPAL_KEYS the same for every process?"
	if len(a.principals) == 0 {
		hint = "JOURNEYMAN_PRINCIPAL_KEYS is not set here"
	}
	a.log.WarnContext(ctx, "a principal is not believed, and its request is nobody's; "+hint, append(about(m.ID, m.Method, m.Key), "err", why, "so_far", n)...)
}

// isRefused reports whether a notification failed for being none that its sender may
// send. It is not tried again, nor kept: anybody outside could fill the broker so.
func isRefused(m transports.Message, err error) bool {
	code := jsonrpc.CodeOf(err)
	return isOutside(m) && (code == jsonrpc.CodeMethodNotFound || code == jsonrpc.CodeForbidden)
}
