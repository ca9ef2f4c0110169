package rabbitmq

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A socket bounds every write, and makes one write of many where it is told to.
//
// The library sets no deadline: a broker that accepts nothing would hold a publisher
// for ever, with a lock that shutting the connection down needs too. And it writes each
// message by itself, which is what a message costs most, here and in the broker.
type socket struct {
	net.Conn
	patience time.Duration

	mu        sync.Mutex
	gathering int    // so many gather what they write
	held      []byte // written by the library and not yet to the connection
	failed    error  // what a write has ended in: from then on nothing is written

	readBy atomic.Int64 // in Unix nanoseconds: the last deadline that was set for reading
}

// mostHeld bounds in bytes what a socket gathers; more is written at once.
const mostHeld = 64 << 10

// gather has what do writes leave in one piece, with what others write meanwhile, and
// returns when it has left. do must not wait for the broker. An error means that nobody
// knows what of it has left, and that nothing more will.
func (s *socket) gather(do func()) error {
	s.mu.Lock()
	s.gathering++
	s.mu.Unlock()
	do()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gathering--
	s.release()
	return s.failed
}

func (s *socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held)+len(b) > mostHeld {
		s.release()
	}
	switch {
	case s.failed != nil:
		return 0, s.failed
	case s.gathering > 0 && len(b) <= mostHeld:
		s.held = append(s.held, b...)
		return len(b), nil
	}
	s.put(b)
	if s.failed != nil {
		return 0, s.failed // how much has left is of no use to anybody: the connection is given up
	}
	return len(b), nil
}

// release writes what is held.
func (s *socket) release() {
	if len(s.held) > 0 {
		s.put(s.held)
		s.held = s.held[:0]
	}
}

func (s *socket) put(b []byte) {
	if s.failed = s.SetWriteDeadline(time.Now().Add(s.patience)); s.failed == nil {
		_, s.failed = s.Conn.Write(b)
	}
}

// SetReadDeadline leaves alone what would be moved on by less than a tenth of a second:
// the library moves it with each frame that it reads, by which it notices a silent broker
// after seconds.
func (s *socket) SetReadDeadline(at time.Time) error {
	if by := at.UnixNano() - s.readBy.Load(); by >= 0 && by < int64(100*time.Millisecond) {
		return nil
	}
	s.readBy.Store(at.UnixNano())
	return s.Conn.SetReadDeadline(at)
}
