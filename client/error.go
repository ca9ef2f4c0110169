package client

import (
	"fmt"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// A ReplyError says that something came back which is no answer to the request:
// not JSON-RPC 2.0, for another id, missing from a batch, or a result of another
// type than the caller's. The method may have run.
type ReplyError struct {
	Service string
	Method  string // empty for a batch as a whole
	Err     error  // what is wrong with the reply
}

func (e *ReplyError) Error() string {
	return fmt.Sprintf("reply of %s: %v", target(e.Service, e.Method), e.Err)
}

func (e *ReplyError) Unwrap() error { return e.Err }

// A remoteError is the service's own refusal, with the call that met it.
type remoteError struct {
	service, method string
	err             *jsonrpc.Error
}

var _ jsonrpc.Remote = (*remoteError)(nil)

func (e *remoteError) Error() string {
	return fmt.Sprintf("%s: %v", target(e.service, e.method), e.err)
}

func (e *remoteError) Unwrap() error { return e.err }

func (e *remoteError) Remote() (service, method string) { return e.service, e.method }

// failed wraps an error of the journey with what was being done.
func (c *Client) failed(verb, method string, err error) error {
	return fmt.Errorf("%s %s: %w", verb, target(c.service, method), err)
}

func (c *Client) malformed(method, format string, args ...any) error {
	return &ReplyError{Service: c.service, Method: method, Err: fmt.Errorf(format, args...)}
}

func target(service, method string) string {
	if method == "" {
		return service
	}
	return service + "." + method
}
