package redislist

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A socket is a TCP connection that knows whether anything moves on it.
type socket struct {
	net.Conn
	written atomic.Int64 // bytes
	moved   atomic.Int64 // when a byte last moved, in Unix nanoseconds

	hearing sync.Once
	refused atomic.Value // the broker's first word, a string, if that is an error
}

// A write is cut into pieces of this size, so that a slow line that makes
// progress is told from one that stands still.
const writePiece = 64 << 10

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.moved.Store(time.Now().UnixNano())
		s.hearing.Do(func() { s.hear(p[:n]) })
	}
	return n, err
}

func (s *socket) hear(first []byte) {
	if line, _, ok := strings.Cut(string(first[:min(len(first), 200)]), "\r\n"); ok && strings.HasPrefix(line, "-") {
		s.refused.Store(line[1:])
	}
}

// refusal returns why the broker hung up at once, or "". One that has no room for
// another client says so and closes the connection, whatever it is being told: that
// fails, and go-redis never reads why.
func (s *socket) refusal() string {
	why, _ := s.refused.Load().(string)
	return why
}

func (s *socket) Write(p []byte) (int, error) {
	var written int
	for {
		n, err := s.Conn.Write(p[written:min(len(p), written+writePiece)])
		written += n
		s.written.Add(int64(n))
		s.moved.Store(time.Now().UnixNano())
		if err != nil {
			s.hearing.Do(func() {
				first := make([]byte, 200)
				_ = s.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
				n, _ := s.Conn.Read(first)
				s.hear(first[:n])
			})
		}
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// still returns how long nothing has moved.
func (s *socket) still() time.Duration {
	return time.Since(time.Unix(0, s.moved.Load()))
}
