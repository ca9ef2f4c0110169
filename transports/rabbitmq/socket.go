package rabbitmq

import (
	"net"
	"time"
)

// A socket bounds every write. The library sets no deadline: a broker that accepts
// nothing would hold a publisher for ever, with a lock that shutting the connection
// down needs too.
type socket struct {
	net.Conn
	patience time.Duration
}

func (s *socket) Write(b []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.patience)); err != nil {
		return 0, err
	}
	return s.Conn.Write(b)
}
