package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Error codes. The specification reserves -32768 to -32000; the first five are
// its own (section 5.1), the rest are ours, from its range for implementations
// (-32099 to -32000). Applications choose theirs outside of all of these.
const (
	CodeParse          = -32700 // the body is not JSON, or nested too deeply
	CodeInvalidRequest = -32600 // JSON, but no request
	CodeMethodNotFound = -32601
	CodeInvalidParams  = -32602 // data says which parameter and why
	CodeInternal       = -32603 // data holds the id under which the log has the cause

	CodeTimeout  = -32000 // the handler gave up because its deadline had passed
	CodeCanceled = -32001 // the handler gave up because its work was cancelled, as on a hard stop

	CodeForbidden = -32002 // whoever sent the request lacks a scope; data says which
	CodeTooLarge  = -32003 // the method ran, and its result is longer than a reply may be; data has both in bytes
)

// reservedMin and reservedMax bound the codes that applications must not use.
const (
	reservedMin = -32768
	reservedMax = -32000
)

// An Error is the error object of a reply. A handler that returns one, wrapped
// or not, decides what its caller reads; every other error stays in the log.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"` // nil: absent
}

// Errorf returns an Error with a formatted message, by convention one short
// sentence. Anything in it reaches the caller.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithData returns a copy of e that carries v as JSON. A value that has no JSON
// form is carried as the text that fmt prints for it, since losing the error
// over its details would help nobody.
func (e *Error) WithData(v any) *Error {
	data, err := marshal(v)
	if err != nil {
		data, _ = marshal(fmt.Sprint(v)) // a string always has a JSON form
	}
	with := *e
	with.Data = data
	return &with
}

// Error returns message, code and data on one line.
func (e *Error) Error() string {
	if len(e.Data) > 0 {
		return fmt.Sprintf("%s (%d): %s", e.Message, e.Code, e.Data)
	}
	return fmt.Sprintf("%s (%d)", e.Message, e.Code)
}

// Is makes CodeTimeout and CodeCanceled match context.DeadlineExceeded and
// context.Canceled. Caller and handler share one deadline, so which of them
// notices first is chance, and a caller should not have to know.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case CodeTimeout:
		return target == context.DeadlineExceeded
	case CodeCanceled:
		return target == context.Canceled
	}
	return false
}

// A Remote error is what another service answered to a call that a handler made
// in turn; package client returns such errors.
//
// A handler may return it as it is: an application's error reaches the first
// caller unchanged. The codes that the specification defines do not, for
// "method not found" would then be said of the wrong method; they become
// CodeInternal, and the log has the rest.
type Remote interface {
	error
	Remote() (service, method string)
}

// CodeOf returns the code with which a Mux answers for err, and 0 for nil.
func CodeOf(err error) int {
	if err == nil {
		return 0
	}
	if e := public(err); e != nil {
		return e.Code
	}
	return CodeInternal
}

// public returns what a caller may read of err, nil if that is nothing.
func public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		_, remote := errors.AsType[Remote](err)
		if remote && e.Code >= CodeParse && e.Code <= CodeInvalidRequest {
			return nil
		}
		return e
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(CodeTimeout, "Deadline exceeded")
	case errors.Is(err, context.Canceled):
		return Errorf(CodeCanceled, "Canceled")
	}
	return nil
}
