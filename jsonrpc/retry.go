package jsonrpc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// What holds for a method without the option Retry: about three hours of attempts,
// so that an outage elsewhere passes meanwhile, and then a person looks at it.
const (
	defaultAttempts = 15
	defaultFirst    = time.Second
	defaultMost     = time.Hour
)

// Retry says how often a failed notification of the method is tried: attempts is
// the number of all of them, so 1 means never again. The first retry comes after
// first, each further one after twice the delay of the one before, but after most
// at the latest. Without this option they are 15, a second and an hour.
//
// It says nothing of calls: a failed one is answered with its error, and trying
// again is for the caller to decide. Nor does work that was interrupted, by a
// deploy or a crash, count as an attempt.
//
// It panics unless attempts is positive and, where there is a second one, first is
// positive and most no shorter.
func Retry(attempts int, first, most time.Duration) Option {
	switch {
	case attempts < 1:
		panic(fmt.Sprintf("jsonrpc: %d attempts, want 1 or more", attempts))
	case attempts > 1 && first <= 0:
		panic(fmt.Sprintf("jsonrpc: the first retry after %v, want more than 0", first))
	case attempts > 1 && most < first:
		panic(fmt.Sprintf("jsonrpc: retries after %v at most, want %v, the first delay, or more", most, first))
	}
	return func(e *entry) { e.attempts, e.first, e.most = attempts, first, most }
}

// A Policy says what becomes of the work of one method that failed or came twice.
type Policy struct {
	Attempts    int           // of a notification, the first one included
	First, Most time.Duration // the delay before the second attempt, and the longest one
	Dedupe      time.Duration // see the option; 0: every message runs
}

// Policy returns what holds for a method, registered or not.
func (m *Mux) Policy(method string) Policy {
	p := Policy{Attempts: defaultAttempts, First: defaultFirst, Most: defaultMost}
	e := m.entries[method]
	if e == nil {
		return p
	}
	if e.attempts > 0 {
		p.Attempts, p.First, p.Most = e.attempts, e.first, e.most
	}
	p.Dedupe = e.dedupe
	return p
}

// Next returns whether a notification whose latest attempt failed with err is
// tried again, and after which delay. failures counts the failed attempts, this
// one included. The delay lies anywhere between half of what the policy says and
// the whole, so that what failed together does not come back together.
//
// Not tried again is what has used up its attempts, what a handler returned by
// [NoRetry], and a request that is wrong in itself, such as one whose params were
// refused. Everything else may go better next time: an application's own errors,
// panics and timeouts, and "method not found" too, since in a deploy a caller may be
// new before the worker is.
func (p Policy) Next(failures int, err error) (after time.Duration, again bool) {
	if failures >= p.Attempts || hopeless(err) {
		return 0, false
	}
	delay := min(p.First, p.Most)
	for range failures - 1 {
		if delay > p.Most/2 { // and doubling it could overflow
			delay = p.Most
			break
		}
		delay *= 2
	}
	return delay - rand.N(delay/2+1), true
}

// hopeless reports whether err says that trying again is useless. The codes count
// only for the request itself, not for one that the handler sent to another service.
func hopeless(err error) bool {
	if _, ok := errors.AsType[*noRetryError](err); ok {
		return true
	}
	e := public(err)
	if e == nil {
		return false
	}
	switch e.Code {
	case CodeParse, CodeInvalidRequest, CodeInvalidParams:
		return true
	}
	return false
}

// NoRetry returns err with the mark that trying again is useless: a notification
// that fails with it is given up at once. It changes nothing else; errors.Is and
// errors.As see through it, and so does the caller of a call. NoRetry(nil) is nil.
func NoRetry(err error) error {
	if err == nil {
		return nil
	}
	return &noRetryError{err}
}

type noRetryError struct{ err error }

func (e *noRetryError) Error() string { return e.err.Error() }

func (e *noRetryError) Unwrap() error { return e.err }
