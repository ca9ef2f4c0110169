//go:build unix

package stale

import (
	"net"
	"testing"
	"time"
)

func TestConn(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, end := range map[string]func(peer net.Conn){
		"the peer has hung up": func(peer net.Conn) { _ = peer.Close() },
		"nobody asked for it":  func(peer net.Conn) { _, _ = peer.Write([]byte("?")) },
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if Conn(c) {
			t.Errorf("%s: it is stale before", name)
		}
		end(peer)
		for deadline := time.Now().Add(time.Minute); !Conn(c); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s, and it is not stale", name)
			}
		}
		_, _ = c.Close(), peer.Close()
		if !Conn(c) {
			t.Errorf("%s: closed by ourselves it is of use", name)
		}
	}
	one, other := net.Pipe()
	defer other.Close()
	if _ = one.Close(); Conn(one) {
		t.Error("of a pipe something is known")
	}
}
