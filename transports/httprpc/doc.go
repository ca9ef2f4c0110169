// Package httprpc is a transport without a broker: a message is a POST to the process
// that is to run it.
//
// What it promises is less than what a broker can, and it says so where it matters:
//
//   - A request is begun at most once. It is written to a second connection only where
//     it surely was not begun on the first: the connection was dead, or the server said so.
//   - The error of a call tells whether it may have run. ErrUnavailable, ErrBusy,
//     ErrNoService and ErrTooLarge: it was not begun. ErrUnknownOutcome: nobody knows,
//     because the connection broke after the request was written. No reply can come then,
//     so that error comes at once, and not at the deadline as with a broker.
//   - A nil error of Send means that a process of the service has the message in its
//     memory. A stop waits for it. It is lost if the process dies before it is done, or if
//     its handler fails: nothing tries it again, and the log names it.
//   - Nothing waits for a service that is not up: a call of it is ErrUnavailable at once.
//     In front of the slots of one that is up so many wait as Options.MaxQueue says; the
//     next is told ErrBusy.
//
// Delays, unique messages, bindings and deduplication are ErrUnsupported: they need a
// queue, or a store that all processes share. The verdicts Retry, Bury, NotMine and
// Suspect, and what is to follow, cost a message that nobody waits for; the caller of a
// call is told that there will be no reply.
//
// Cancelling a call closes its connection, and that ends the handler's context. While a
// process stops, it answers 503 to what is new, so that its callers go elsewhere.
//
// docs/wire.md describes requests and replies, for people and for other languages.
//
// The files:
//
//	options, httprpc       where services are; what a process is
//	wire                   what stands in headers
//	call, judge            the calling half: one request, and what its answer means
//	pool, conn, stale      its connections
//	serve, door, desk      the serving half: who is let in, and how many
//	request, errand        one request on its way through
//	answer                 and what it is told
//	ping, examine          looking at it from outside
package httprpc
