//go:build unix

package brokertest

import (
	"net"
	"testing"
)

// A block of ports is another test process's from the moment that it is chosen,
// long before its node listens, or has one that somebody else has.
func TestTakePorts(t *testing.T) {
	t.Parallel()
	take := func(blocks ...int) *Rabbit {
		r := &Rabbit{dir: t.TempDir()}
		t.Cleanup(func() {
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		})
		next := func() int {
			if len(blocks) == 0 {
				return randomBlock()
			}
			first := blocks[0]
			blocks = blocks[1:]
			return first
		}
		if err := r.takePorts(next); err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := take()
	if err := first.epmd.kill(); err != nil { // so that the claim alone is left
		t.Fatal(err)
	}
	var taken int
	for l := net.Listener(nil); l == nil; {
		taken = randomBlock()
		if l, _ = net.Listen("tcp", local(taken+portManagement)); l != nil {
			defer l.Close()
		}
	}
	second := take(first.base, taken)
	if second.base == first.base || second.base == taken {
		t.Errorf("got block %d, want neither %d nor %d", second.base, first.base, taken)
	}
	if err := free(second.base+portDistribution, 3); err != nil {
		t.Errorf("the ports of the node: %v", err)
	}
}

func TestRandomBlock(t *testing.T) {
	t.Parallel()
	seen := make(map[int]bool)
	for range 1000 {
		base := randomBlock()
		if base < 1024 || base+portManagement > 65535 || base%4 != 0 {
			t.Fatalf("block %d", base)
		}
		seen[base] = true
	}
	if len(seen) < 500 {
		t.Errorf("1000 times there were %d blocks", len(seen))
	}
}
