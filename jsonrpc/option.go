package jsonrpc

import (
	"fmt"
	"slices"
	"time"
)

// An Option says something about one method when it is registered.
type Option func(*entry)

// Timeout gives a method a deadline of its own, d after it starts. An earlier
// one of the caller stands. It panics unless d is positive.
func Timeout(d time.Duration) Option {
	if d <= 0 {
		panic(fmt.Sprintf("jsonrpc: timeout %v must be positive", d))
	}
	return func(e *entry) { e.timeout = d }
}

// Summary describes a method in one line, for rpc.discover.
func Summary(text string) Option {
	return func(e *entry) { e.summary = text }
}

// Throws documents an error of the application for rpc.discover; returning it
// remains the handler's task. It panics on a code that the specification
// reserves (-32768 to -32000) and on a second error with the same code.
func Throws(code int, message string) Option {
	if code >= reservedMin && code <= reservedMax {
		panic(fmt.Sprintf("jsonrpc: error code %d is reserved, choose one outside of %d to %d", code, reservedMin, reservedMax))
	}
	return func(e *entry) {
		if slices.ContainsFunc(e.throws, func(t Error) bool { return t.Code == code }) {
			panic(fmt.Sprintf("jsonrpc: method %q throws code %d twice", e.name, code))
		}
		e.throws = append(e.throws, Error{Code: code, Message: message})
	}
}
