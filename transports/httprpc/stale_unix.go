//go:build unix

package httprpc

import "syscall"

// stale reports that an idle connection has something to read: the server's goodbye,
// or bytes that answer nothing. A request written to it now would have an unknown fate.
func (c *conn) stale() bool {
	conn, ok := c.tcp.(syscall.Conn)
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
