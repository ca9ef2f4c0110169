package rabbitmq

import (
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A session is one connection to the broker, from its first frame to its last. What
// was delivered in one session can be acknowledged in that one alone; so sessions
// are never repaired, and the library's recovery, which would put a new session
// under an old channel, is never switched on: after it a late acknowledgement is
// taken for another message's.
type session struct {
	conn   *amqp.Connection
	socket *socket
	outlet *outlet // of a publishing session

	once sync.Once
	lost chan struct{} // closed when the session has ended
	why  error         // set before that

	mu      sync.Mutex
	blocked string        // the broker's reason for taking no messages; "" while it takes them
	turned  chan struct{} // closed when blocked changes
	watched sync.WaitGroup
}

func newSession(conn *amqp.Connection, wire *socket) *session {
	s := &session{conn: conn, socket: wire, lost: make(chan struct{}), turned: make(chan struct{})}
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 8))
	s.watched.Go(func() {
		for b := range blocked {
			s.block(b)
		}
	})
	s.watched.Go(func() {
		if err := <-closed; err != nil {
			s.lose(err)
		} else {
			s.lose(errClosedHere)
		}
	})
	return s
}

// errUnanswered is the end of a session in which the broker left something unanswered.
var errUnanswered = errors.New("the broker did not answer")

var errClosedHere = errors.New("connection closed")

// lose ends the session at once. The socket goes first: the library would wait for
// its own writers before it closed that, and they may be waiting for the broker.
func (s *session) lose(why error) {
	s.once.Do(func() {
		if failed := s.socket.failure(); failed != nil {
			why = failed // of which the library saw no more than the end
		}
		_ = s.socket.Close()
		s.why = why
		close(s.lost)
	})
}

// end closes the session in good order, as far as the broker lets it in the time.
func (s *session) end(patience time.Duration) {
	if s.isLost() {
		return
	}
	// The library's own deadline is moved on by each heartbeat, and a broker in need sends
	// those and reads nothing.
	hurry := time.AfterFunc(patience, func() { s.lose(errClosedHere) })
	_ = s.conn.Close() // an error means that the broker did not answer, and leaves nothing to be done
	hurry.Stop()
	s.lose(errClosedHere)
}

// limit gives the session up when something that the broker has to answer takes longer
// than patience: the library waits for ever, and a broker that comes up may leave a
// request for a queue unanswered for a minute and close the connection then.
// Call the returned function when it is done.
func (s *session) limit(patience time.Duration, doing string) (done func()) {
	timer := time.AfterFunc(patience, func() { s.lose(fmt.Errorf("%w within %v: %s", errUnanswered, patience, doing)) })
	return func() { timer.Stop() }
}

func (s *session) isLost() bool {
	select {
	case <-s.lost:
		return true
	default:
		return false
	}
}

// block notes that the broker takes messages, or does not (an alarm: memory, disk).
func (s *session) block(b amqp.Blocking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked = ""
	if b.Active {
		s.blocked = "an alarm"
		if b.Reason != "" {
			s.blocked = b.Reason
		}
	}
	close(s.turned)
	s.turned = make(chan struct{})
}

// isBlocked returns why the broker takes no messages, "" if it does, and what is
// closed when that changes.
func (s *session) isBlocked() (why string, turned <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocked, s.turned
}
