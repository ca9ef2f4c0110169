package redislist

import (
	"errors"
	"iter"
	"os"
)

// A stepper runs exchanges in a coroutine, which stands still where it would have to
// wait for the broker. So an exchange may begin in one goroutine and, when that has
// something better to do, end in another; go-redis, which reads in the goroutine that
// has written, knows nothing of that.
type stepper struct {
	socket *socket
	exec   func() // nil: no exchange is under way
	resume func() (struct{}, bool)
	stop   func()

	buffer []byte // of the read that the exchange waits for
	n      int    // what came of it
	err    error
}

func newStepper() *stepper {
	s := new(stepper)
	s.resume, s.stop = iter.Pull(func(yield func(struct{}) bool) {
		read := func(p []byte) (int, error) {
			s.buffer = p
			if !yield(struct{}{}) {
				return 0, os.ErrClosed
			}
			return s.n, s.err
		}
		for {
			s.socket.read = read
			s.exec()
			s.socket.read = nil
			s.socket, s.exec, s.buffer = nil, nil, nil
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return s
}

// begin runs exec, an exchange on the socket, up to where it waits for the broker. It
// reports whether it is over; otherwise it goes on with step.
func (s *stepper) begin(socket *socket, exec func()) (over bool) {
	s.socket, s.exec = socket, exec
	s.resume()
	return s.exec == nil
}

// step waits for what the broker sends next, and runs the exchange to where it waits
// again. It reports whether that is over; off says that it did nothing, since the
// socket's deadline has passed.
func (s *stepper) step() (over, off bool) {
	s.n, s.err = s.socket.Conn.Read(s.buffer)
	if s.n == 0 && errors.Is(s.err, os.ErrDeadlineExceeded) {
		return false, true
	}
	s.resume()
	return s.exec == nil, false
}

func (s *stepper) close() { s.stop() }
