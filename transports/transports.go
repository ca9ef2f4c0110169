// Package transports is the contract between those who speak JSON-RPC and those
// who move bytes. A transport carries opaque bodies to named services and their
// replies back; it knows nothing of what the bodies say.
//
// The implementations stand in the folders beside this one; transporttest holds
// the suite that each of them passes.
package transports

import (
	"context"
	"io"
	"time"
)

// A Message is one opaque body and what every transport can carry beside it.
type Message struct {
	ID     string            // the transport's own, unique for each message; never the JSON-RPC id. Filled in when empty
	Method string            // a label for routing and metrics; empty for a batch
	Body   []byte            // opaque here
	Header map[string]string // lower-case names; neither names nor values hold line breaks

	Key       string    // idempotency key within Method, see Service.Dedupe; the ID where the sender gives none
	Expires   time.Time // zero: never. Judged by the broker's clock
	NotBefore time.Time // zero: now. Judged by the broker's clock
	Unique    string    // while a message with this key waits to be run, another Send of it is dropped; not for Call

	// The rest is set on receipt.

	Enqueued    time.Time // zero where the sender did not say
	Failures    int       // failed attempts so far; interruptions (deploy, crash) are not failures
	Redelivered bool      // it may have run before
	Unread      bool      // nobody reads a reply: it is a dead letter that was retried, whose caller was told
	History     []Attempt // how earlier attempts ended, newest first; a transport keeps at least the last ten
}

// An Attempt is one time that a message was run in vain.
type Attempt struct {
	At     time.Time `json:"at"`
	Died   bool      `json:"died"`   // the worker died, or had to be replaced, while it ran the message
	Worker string    `json:"worker"` // its instance or id; "" where nobody knows
	Error  string    `json:"error"`  // of the outcome; "" for a death
}

// A Verdict says what becomes of a message whose handler has returned.
type Verdict int

// The verdicts.
const (
	Done    Verdict = iota // acknowledged
	Retry                  // delivered again after Outcome.After, with one more failure and no deaths, unless its caller has gone
	Bury                   // kept in the dead-letter list, with one more failure
	NotMine                // given back untouched, for another instance of the service
	Suspect                // as if the worker had died of it: the handler does not return, and its process has to be replaced
)

// An Outcome is what a handler made of its message.
type Outcome struct {
	Reply   []byte        // nil: nothing is owed to the caller
	Verdict Verdict       // the zero value is Done
	After   time.Duration // with Retry: the delay
	Err     error         // kept in the history of a message that is retried or buried
	Keep    time.Duration // remember Reply under Method and Key for this long; see Service.Dedupe
	Follow  []Message     // sent to the same service in the same step as the acknowledgement; NotBefore, Failures and History are kept
	Dead    []DeadLetter  // kept as dead letters of their own, in the same step: members of a batch that are given up
}

// A Handler takes one message. Its ctx ends at the message's Expires, on a hard
// stop (Close), and when this process has lost its claim on the message; it does
// not end because the process was asked to stop taking work.
type Handler func(ctx context.Context, m Message) Outcome

// A Service is what one process offers under one name.
type Service struct {
	Name    string
	Handler Handler
	Slots   int      // how many messages at once; 0 means DefaultSlots
	Methods []string // announced, so that people and peers can see what is served

	// Bindings are methods that get a queue of their own each, from then on and for
	// whoever calls them. Given any, this process takes from those queues alone, so
	// that slow methods can be scaled apart from the rest; of messages whose worker
	// died any process of the service may take any. Serve returns ErrUnsupported
	// where a transport cannot do it.
	Bindings []string

	// Dedupe reports whether m must run effectively once; nil: no message. Before
	// the handler of such a message starts, the transport claims m.Method and m.Key.
	// Where an Outcome was kept under them, that reply is given and the handler not called;
	// where a live process runs a message with that key, this one waits for it. A
	// crash gives up the claim, so a handler whose effects lie elsewhere passes
	// m.Key on as their idempotency key. Serve returns ErrUnsupported where a transport
	// cannot do it.
	Dedupe func(m Message) bool
}

// DefaultSlots is the number of messages that a service works on at once when
// it does not say otherwise.
const DefaultSlots = 64

// A Caller is the sending half, all that a client needs. Its methods may be
// called from any number of goroutines.
type Caller interface {
	// Call delivers m to the service and waits for its reply. It returns
	// promptly once ctx ends, whatever the broker is doing, with an error that
	// wraps ctx's. The deadline of ctx becomes m.Expires where that is zero.
	// Without a broker it fails with ErrUnavailable, for a name that no process
	// ever announced with ErrNoService, and where too much waits already with
	// ErrBusy, at once. ErrBuried says that the message was given up.
	//
	// When ctx is cancelled before its deadline, the message is taken back if no
	// handler has begun it; one that has learns of it by its ctx, where the
	// transport can tell it.
	Call(ctx context.Context, service string, m Message) (reply []byte, err error)

	// Send delivers m and expects no reply. A nil error means that the broker
	// has it. ctx bounds the hand-over alone: the message expires only where
	// m.Expires is set. It fails at once where Call does, with the same errors,
	// ErrNoService among them. When the connection broke between handing over and the
	// broker's word, the error is ErrUnknownOutcome.
	Send(ctx context.Context, service string, m Message) error
}

// A Server is the receiving half, all that a worker needs.
type Server interface {
	// Serve takes messages until ctx ends, then takes no more, waits for the
	// handlers it started and returns nil. Handlers see the caller's deadline
	// and the values of ctx, not its cancellation. A broker that goes away is
	// no error: Serve reconnects. It returns an error for a permanent refusal
	// (credentials, a key of the wrong type), ErrStalled when the broker
	// answers but nothing could be taken for minutes, and ErrClosed after Close.
	// A message is settled by the Outcome that its handler returns.
	Serve(ctx context.Context, s Service) error
}

// A Transport is both halves and the connections under them. It closes only
// what it opened.
type Transport interface {
	Caller
	Server

	// Close is the hard stop: it cancels running handlers, gives back what they
	// have not finished, fails waiting calls with ErrClosed and releases the
	// connections. It may be called more than once and from any goroutine.
	io.Closer
}
