package rabbitmq

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A socket makes one write of what many have to say at the same time, and keeps nobody
// waiting for the network: what the connection does not take at once is written by a
// goroutine of the socket's own.
//
// The library writes each message by itself, which is what a message costs most, here and
// in the broker. It holds a lock meanwhile that everybody needs, shutting the connection
// down too, and sets no deadline: a broker that accepts nothing would hold them for ever.
type socket struct {
	net.Conn
	try      func(b []byte) (int, error) // writes what the connection takes without waiting; nil: nobody can
	patience time.Duration               // for a write of the socket's own goroutine

	mu      sync.Mutex
	held    []byte        // written by the library and not yet to the connection
	spare   []byte        // empty, to hold what comes next
	writing bool          // somebody writes, and takes along what is held by then
	gathers int           // so many are about to say more
	room    chan struct{} // closed when there is room again; nil while nobody waits for that
	failed  error         // what a write has ended in, or Close: from then on nothing is written

	background sync.WaitGroup // the socket's own goroutine
	readBy     atomic.Int64   // in Unix nanoseconds: the last deadline that was set for reading
}

// newSocket returns the socket of a connection whose writes may take so long.
func newSocket(conn net.Conn, patience time.Duration) *socket {
	return &socket{Conn: conn, try: withoutWaiting(conn), patience: patience}
}

const (
	// mostHeld in bytes is from where on publishers wait.
	mostHeld = 64 << 10
	// mostTurns bounds how often a goroutine that came to say one thing writes what others say.
	mostTurns = 4
)

// gather has what do writes leave in one piece, with what others write meanwhile.
func (s *socket) gather(do func()) {
	s.mu.Lock()
	s.gathers++
	s.mu.Unlock()
	do()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gathers--
	s.release()
}

// Write takes all of b and waits for nothing. That it could not be written is an error of
// the next Write.
func (s *socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return 0, s.failed
	}
	s.held = append(s.held, b...)
	if s.gathers == 0 || len(s.held) >= mostHeld {
		s.release()
	}
	return len(b), nil
}

// release writes what is held, unless somebody does. s.mu is held, but not while it writes.
func (s *socket) release() {
	for turn := 0; !s.writing && s.failed == nil && len(s.held) > 0; turn++ {
		s.writing = true
		if s.try == nil || turn == mostTurns {
			s.background.Go(s.push)
			return
		}
		text := s.take()
		s.mu.Unlock()
		n, err := s.try(text)
		s.mu.Lock()
		if s.failed != nil {
			return // meanwhile
		}
		if err != nil {
			s.fail(err)
			return
		}
		if n < len(text) {
			s.held = append(text[n:], s.held...)
			s.background.Go(s.push)
			return
		}
		s.keep(text)
		s.writing = false
	}
}

// push writes what is held until nothing is.
func (s *socket) push() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.failed == nil && len(s.held) > 0 {
		text := s.take()
		s.mu.Unlock()
		err := s.SetWriteDeadline(time.Now().Add(s.patience))
		if err == nil {
			_, err = s.Conn.Write(text)
		}
		s.mu.Lock()
		if err != nil {
			s.fail(err)
			return
		}
		s.keep(text)
	}
	s.writing = false
	_ = s.SetWriteDeadline(time.Time{}) // which try would trip over
}

func (s *socket) take() []byte {
	text := s.held
	s.held, s.spare = s.spare, nil
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	return text
}

func (s *socket) keep(text []byte) {
	if cap(text) <= 4*mostHeld { // a large message's is not kept
		s.spare = text[:0]
	}
}

// fail ends the connection, by whose end others hear of it. s.mu is held.
func (s *socket) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
	s.held = nil
	s.take()
	_ = s.Conn.Close()
}

// full returns nil while there is room for more, and else what is closed when there is, or
// when there never will be.
func (s *socket) full() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) < mostHeld || s.failed != nil {
		return nil
	}
	if s.room == nil {
		s.room = make(chan struct{})
	}
	return s.room
}

// failure returns what a write has ended in, nil where there is nothing but the end.
func (s *socket) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.failed, net.ErrClosed) {
		return nil
	}
	return s.failed
}

func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(net.ErrClosed)
	return nil
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
