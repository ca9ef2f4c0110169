package redislist

import (
	"net"
	"sync/atomic"
	"time"
)

// A socket is a TCP connection that knows whether anything moves on it.
type socket struct {
	net.Conn
	written atomic.Int64 // bytes
	moved   atomic.Int64 // when a byte last moved, in Unix nanoseconds
}

// A write is cut into pieces of this size, so that a slow line that makes
// progress is told from one that stands still.
const writePiece = 64 << 10

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.moved.Store(time.Now().UnixNano())
	}
	return n, err
}

func (s *socket) Write(p []byte) (int, error) {
	var written int
	for {
		n, err := s.Conn.Write(p[written:min(len(p), written+writePiece)])
		written += n
		s.written.Add(int64(n))
		s.moved.Store(time.Now().UnixNano())
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// still returns how long nothing has moved.
func (s *socket) still() time.Duration {
	return time.Since(time.Unix(0, s.moved.Load()))
}
