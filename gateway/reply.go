package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// Error codes of the gateway itself, from the range that JSON-RPC leaves to
// implementations. They say that the journey failed, not the service; a deadline
// that passed is jsonrpc.CodeTimeout.
const (
	CodeRefused        = -32010 // not admitted; the message says what to change
	CodeTooLarge       = -32011 // more than the gateway or the transport takes
	CodeNoService      = -32012 // no process ever announced a service of that name
	CodeUnavailable    = -32013 // there is no broker; nothing was handed over
	CodeBusy           = -32014 // the service's queue is full; nothing was handed over
	CodeUnknownOutcome = -32015 // it was handed over and may run; sending it again may run it twice
	CodeFailed         = -32016 // something else; the log says what
	CodeBuried         = -32017 // given up: the workers that ran it died; it is among the dead letters
	CodeRateLimited    = -32018 // too often; nothing was begun, and Retry-After says when to try again
	CodeNoTicket       = -32019 // nobody has been given that ticket, or its result is kept no longer
)

// explain says in a caller's words what a transport's error means. The error's own
// text, which may name addresses, stays in the log.
func explain(err error, service string) (status int, e *jsonrpc.Error) {
	service = brief(service)
	switch {
	// First, because what cut the hand-over short, a deadline or the end of this
	// process, stands in the same error and would promise that nothing was handed over.
	case errors.Is(err, transports.ErrUnknownOutcome):
		return http.StatusBadGateway, jsonrpc.Errorf(CodeUnknownOutcome, "the broker did not confirm the hand-over; the request may run")
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, jsonrpc.Errorf(jsonrpc.CodeTimeout, "no reply within the time allowed; the call may still run")
	case errors.Is(err, transports.ErrNoService):
		return http.StatusNotFound, jsonrpc.Errorf(CodeNoService, "there is no service %q", service)
	case errors.Is(err, transports.ErrBuried):
		return http.StatusBadGateway, jsonrpc.Errorf(CodeBuried, "the request was given up, because the workers that ran it died")
	case errors.Is(err, transports.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, jsonrpc.Errorf(CodeTooLarge, "the request is too large for the transport")
	case errors.Is(err, transports.ErrBusy):
		return http.StatusServiceUnavailable, jsonrpc.Errorf(CodeBusy, "the queue of %s is full; nothing was handed over", service)
	case errors.Is(err, errKeyReused):
		return http.StatusUnprocessableEntity, jsonrpc.Errorf(CodeRefused, "%s", errKeyReused)
	case errors.Is(err, errNoReply):
		return http.StatusBadGateway, jsonrpc.Errorf(CodeFailed, "%s", errNoReply)
	case errors.Is(err, transports.ErrUnavailable), errors.Is(err, transports.ErrClosed):
		return http.StatusServiceUnavailable, jsonrpc.Errorf(CodeUnavailable, "the broker cannot be reached now")
	default:
		return http.StatusBadGateway, jsonrpc.Errorf(CodeFailed, "the request could not be passed on")
	}
}

// notBegun tells programs that call through HTTP (transports/httprpc) that a request was
// surely not begun, and why, in a word of docs/wire-http.md; "" where that is not sure.
// A status alone proves nothing, as routers between them answer by themselves.
func notBegun(code int) string {
	switch code {
	case CodeBusy, CodeRateLimited:
		return "busy"
	case CodeNoService:
		return "no-service"
	case CodeTooLarge:
		return "too-large"
	case CodeUnavailable:
		return "draining"
	}
	return ""
}

// advise says beside an error what clients do about it.
func advise(w http.ResponseWriter, status, code int) {
	if word := notBegun(code); word != "" {
		w.Header().Set("Journeyman-Refused", word)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
}

// refuse answers when no request has been read.
func refuse(w http.ResponseWriter, status, code int, message string) {
	advise(w, status, code)
	send(w, status, jsonrpc.EncodeError(null, jsonrpc.Errorf(code, "%s", message)))
}

// send writes a JSON text and a line end, which terminals like.
func send(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(slices.Clip(text), '\n'))
}
