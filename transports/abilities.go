package transports

import (
	"context"
	"time"
)

// Abilities that a transport may have beyond Transport; ask with Ability.

// A Pinger can tell whether its broker answers.
type Pinger interface {
	// Ping returns nil once the broker has answered, an error wrapping
	// ErrUnavailable or ctx's error otherwise.
	Ping(ctx context.Context) error
}

// An Inspector can look at services from the outside.
type Inspector interface {
	// Services reports on every service that was ever announced, sorted by name.
	Services(ctx context.Context) ([]ServiceStatus, error)
}

// A Locator knows who serves what, well enough for a worker in a rolling deploy to
// leave a message to a newer one.
type Locator interface {
	// Serving returns how many live workers of the service announce the method. The
	// answer may be a second old.
	Serving(ctx context.Context, service, method string) (workers int, err error)
}

// A Pauser can have the workers of a service take no more for a while. What they
// have begun they finish; callers are not told, their messages wait. A name that no
// process ever announced is refused with ErrNoService.
type Pauser interface {
	// Pause returns when the broker knows; the workers follow within seconds, and
	// those that start later too. Pausing twice is pausing once.
	Pause(ctx context.Context, service string) error
	Resume(ctx context.Context, service string) error
}

// A DeadLetterQueue keeps dead letters: messages that were given up, by the verdict
// Bury or because worker after worker died with them. A name that no process ever
// announced is refused with ErrNoService.
type DeadLetterQueue interface {
	// DeadLetters shows a service's dead letters to visit, newest first, until
	// that returns false. Those that come or go meanwhile may be seen or not.
	DeadLetters(ctx context.Context, service string, visit func(DeadLetter) bool) error

	// RetryDead puts dead letters back into the queue, as new messages: failures
	// and deaths forgotten, ID, Key and history kept, no longer expiring and answered
	// nowhere, since whoever waited for the reply has been told. It returns how many of
	// the ids it found.
	RetryDead(ctx context.Context, service string, ids ...string) (n int, err error)

	// DeleteDead forgets dead letters and returns how many of the ids it found.
	DeleteDead(ctx context.Context, service string, ids ...string) (n int, err error)
}

// An Examiner can look for what is wrong with its broker, and with how that is set up
// for the services of an app.
type Examiner interface {
	// Examine looks and changes nothing. What cannot be found out, for lack of
	// permission say, is a finding too. It returns an error where there was nothing to
	// look at: ErrUnavailable, or ctx's.
	Examine(ctx context.Context, plan Plan) ([]Finding, error)
}

// A Plan is what an app is going to run, as far as that is known.
type Plan struct {
	Services  []string // every name of the catalogue
	Processes int      // that will be connected at once, twice as many during a deploy; 0: unknown
}

// A Finding is one thing that an Examiner looked at.
type Finding struct {
	Subject string `json:"subject"` // in a word or two, e.g. "eviction policy"
	Grade   Grade  `json:"grade"`
	Found   string `json:"found"`  // one sentence, with the values in it
	Advice  string `json:"advice"` // what to do about it; "" where all is well
}

// A Grade says how bad a finding is.
type Grade string

// The grades.
const (
	Fine    Grade = "ok"
	Warning Grade = "warning" // works, and will bite some day
	Trouble Grade = "trouble" // does not work, or loses something
)

// A DeadLetter is a message that was given up, and why.
type DeadLetter struct {
	ID      string // of the dead letter: the message's own where it has one
	Message Message
	Buried  time.Time
	Reason  string
	Deaths  int // workers that died while they ran it, one after the other
}

// ServiceStatus is what an Inspector knows of one service. What a broker cannot
// tell is nil.
type ServiceStatus struct {
	Name     string     `json:"name"`
	Paused   bool       `json:"paused"`
	Waiting  *int64     `json:"waiting"`   // messages in the queue
	Oldest   *time.Time `json:"oldest"`    // since when the message that has waited longest could have been run: sent, or due
	Dated    bool       `json:"-"`         // the broker can tell that: where it tells no Oldest and nothing is Waiting, nothing waits
	InFlight *int64     `json:"in_flight"` // messages taken and not settled
	Delayed  *int64     `json:"delayed"`   // messages that wait for their time
	Retries  *int64     `json:"retries"`   // messages that failed and wait to be tried again
	Suspects *int64     `json:"suspects"`  // messages whose worker died; they wait to be run apart from others
	Dead     *int64     `json:"dead"`      // dead letters

	Consumers *int64         `json:"consumers"` // live processes that take from the queue
	Workers   []WorkerStatus `json:"workers"`   // the same, each described; nil where the broker can only count them
}

// WorkerStatus describes one live process of a service, as it announced itself.
type WorkerStatus struct {
	ID       string    `json:"id"`       // unique for each start of a process
	Instance string    `json:"instance"` // the platform's name for it, e.g. "calculator.1"; not unique
	Version  string    `json:"version"`
	Methods  []string  `json:"methods"`
	Slots    int       `json:"slots"`
	Started  time.Time `json:"started"`
}

// Ability finds what c can do beyond Caller, one of the interfaces above, in c or in what it
// wraps: a Caller around another one, as that of traces, has a method Unwrap() Caller.
func Ability[T any](c Caller) (ability T, ok bool) {
	for c != nil {
		if ability, ok = c.(T); ok {
			return ability, true
		}
		wrapper, wraps := c.(interface{ Unwrap() Caller })
		if !wraps {
			break
		}
		c = wrapper.Unwrap()
	}
	return ability, false
}
