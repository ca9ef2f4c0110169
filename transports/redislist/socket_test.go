package redislist

import (
	"net"
	"strings"
	"testing"
)

// A broker that has no room says so and hangs up, before or after it was told anything.
func TestCrowdedBrokerIsHeard(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("-ERR max number of clients reached\r\n"))
			_ = conn.(*net.TCPConn).SetLinger(0) // as where something was sent and not read
			_ = conn.Close()
		}
	}()
	tr := openQuick(t, Options{URL: "redis://" + listener.Addr().String()})
	t.Cleanup(func() { _ = tr.Close() })
	for range 20 {
		err = tr.Ping(t.Context())
		if err != nil && strings.Contains(err.Error(), "max number of clients reached") {
			return
		}
	}
	t.Errorf("Ping: %v, and never a word of why", err)
}
