package runner

import (
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// isOutside reports whether a message has come through the gateway.
func isOutside(m transports.Message) bool { return m.Header[passport.Outside] != "" }

// isRefused reports whether a notification failed for being none that its sender may
// send. It is not tried again, nor kept: anybody outside could fill the broker so.
func isRefused(m transports.Message, err error) bool {
	code := jsonrpc.CodeOf(err)
	return isOutside(m) && (code == jsonrpc.CodeMethodNotFound || code == jsonrpc.CodeForbidden)
}
