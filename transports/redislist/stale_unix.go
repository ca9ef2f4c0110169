//go:build unix

package redislist

import "syscall"

// stale reports that a socket on which nothing is awaited has something to read:
// the peer's goodbye, or bytes that belong to no request. Whatever was written to
// it now would vanish. go-redis does the same, but not under TLS.
func (s *socket) stale() bool {
	conn, ok := s.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	var stale bool
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		stale = err != syscall.EAGAIN && err != syscall.EWOULDBLOCK
		return true
	})
	return stale || err != nil
}
