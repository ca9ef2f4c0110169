//go:build !unix

package rabbitmq

import "net"

// withoutWaiting returns nil: these systems have no such write, or another one each.
func withoutWaiting(net.Conn) func([]byte) (int, error) { return nil }
