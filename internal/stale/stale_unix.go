//go:build unix

// Package stale tells whether a connection has died while it was idle.
package stale

import (
	"net"
	"syscall"
)

// Conn reports that a connection on which nothing is awaited has something to read: the
// peer's goodbye, or bytes that answer nothing. Whatever was written to it now would vanish,
// or have an unknown fate. It is the connection below TLS, if there is any, and of one that
// is no socket nothing is known.
func Conn(c net.Conn) bool {
	conn, ok := c.(syscall.Conn)
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
