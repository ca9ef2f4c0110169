package transports

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A Mailbox keeps the reply to a call until somebody fetches it: for calls that take
// longer than whoever makes them can wait, or lives. Whichever process knows the name
// of a box may look into it.
type Mailbox interface {
	// Submit delivers m as Call does and returns as soon as the broker has it. Its
	// reply goes into a box, and stays there for keep at least after it has come. box
	// is what CheckBox accepts, and nobody else's: the name is all that protects
	// what is in it, and no two calls share one.
	//
	// m.Expires must be set: it is how long the call may take. As with Send, ctx bounds
	// the hand-over alone, and the errors are those of Send; after an error other than
	// ErrUnknownOutcome nothing was handed over. A message with Unique or NotBefore is
	// ErrUnsupported, and so is a service that can only answer those who wait.
	Submit(ctx context.Context, service, box string, m Message, keep time.Duration) error

	// Collect returns the reply in a box and leaves it there, for whoever asks again.
	// It waits up to wait for a reply, or not at all, and says ErrPending then.
	// ErrExpired says that the call's deadline has passed without one, ErrBuried that
	// the call was given up, ErrNoBox that there is no such box, or none any more.
	Collect(ctx context.Context, service, box string, wait time.Duration) (reply []byte, err error)
}

// boxName is the length of a box's name: 128 bits are beyond guessing.
const boxName = 32

// CheckBox returns nil if name may name a box: 32 digits of 0-9 and a-f.
func CheckBox(name string) error {
	if len(name) != boxName || strings.Trim(name, "0123456789abcdef") != "" {
		return fmt.Errorf("box of %d bytes: want %d digits of 0-9 and a-f", len(name), boxName) // the name itself is a secret
	}
	return nil
}

// CheckSubmit returns nil if m is one that Submit may take for this box.
func CheckSubmit(box string, m Message) error {
	switch err := CheckBox(box); {
	case err != nil:
		return err
	case m.Expires.IsZero():
		return fmt.Errorf("message %q has no Expires, and nobody would know when to stop waiting", m.Method)
	case m.Unique != "" || !m.NotBefore.IsZero():
		return fmt.Errorf("delayed and unique messages with a box: %w", ErrUnsupported)
	}
	return nil
}
