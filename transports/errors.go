package transports

import "errors"

// A RefusedError is an ErrUnavailable that trying again does not remove: the broker
// refuses the credentials, shows a certificate that is not trusted, or is one that
// the transport cannot work with.
type RefusedError struct{ Err error }

// Error returns the reason, for the person who can remove it.
func (r *RefusedError) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *RefusedError) Unwrap() error { return r.Err }

// Is reports that a refusing broker is an unavailable one.
func (r *RefusedError) Is(target error) bool { return target == ErrUnavailable }

// Errors that mean the same on every transport. Implementations wrap them with
// what they were doing, so compare with errors.Is.
var (
	// ErrClosed: the transport was closed, here, by this process.
	ErrClosed = errors.New("transport closed")

	// ErrStalled: the broker answers, but nothing could be taken for minutes.
	ErrStalled = errors.New("service stalled")

	// ErrUnavailable: there is no broker to talk to; nothing was handed over.
	ErrUnavailable = errors.New("broker unavailable")

	// ErrNoService: no process ever announced a service of that name.
	ErrNoService = errors.New("no such service")

	// ErrBusy: the service's queue is full; nothing was handed over.
	ErrBusy = errors.New("queue full")

	// ErrBuried: the message was given up and stands in the dead-letter list: the
	// workers that ran it died.
	ErrBuried = errors.New("message given up")

	// ErrTooLarge: the message is longer than the transport's limit.
	ErrTooLarge = errors.New("message too large")

	// ErrUnknownOutcome: the message was handed over and the connection broke
	// before the broker's word. It may run or not; sending it again may run it twice.
	ErrUnknownOutcome = errors.New("outcome unknown")

	// ErrPending: the reply has not come yet.
	ErrPending = errors.New("no reply yet")

	// ErrExpired: the deadline of a submitted call has passed, and no reply has come.
	ErrExpired = errors.New("deadline passed without a reply")

	// ErrNoBox: nobody submitted a call with that box, or its reply is no longer kept.
	ErrNoBox = errors.New("no such box")

	// ErrUnsupported: this transport cannot do what was asked of it.
	ErrUnsupported = errors.New("not supported by this transport")
)
