//go:build unix

package rabbitmq

import (
	"errors"
	"net"
	"syscall"
)

// withoutWaiting returns what writes to a connection as much as that takes at once.
func withoutWaiting(conn net.Conn) func([]byte) (int, error) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return func(b []byte) (int, error) {
		var n int
		var wrote error
		err := raw.Write(func(fd uintptr) bool {
			for {
				n, wrote = syscall.Write(int(fd), b)
				if wrote != syscall.EINTR {
					return true // and so does not wait for room
				}
			}
		})
		switch {
		case err != nil:
			return 0, err
		case errors.Is(wrote, syscall.EAGAIN):
			return 0, nil
		}
		return max(n, 0), wrote
	}
}
