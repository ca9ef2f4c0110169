package rabbitmq

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever is put in and taken out, it is what a plain list would have; what was taken out
// is let go of, and the memory is used again.
func TestFifo(t *testing.T) {
	t.Parallel()
	var f fifo[*int]
	var want []*int
	const most = 100
	for range 100_000 {
		switch n := rand.IntN(9); {
		case n < 5 && len(want) < most:
			item := new(int)
			f.push(item)
			want = append(want, item)
		case len(want) == 0:
		case n < 8:
			if got := f.pop(); got != want[0] {
				t.Fatal("what comes out is not the oldest")
			}
			want = want[1:]
		default:
			f.unpush()
			want = want[:len(want)-1]
		}
		if f.len() != len(want) || !slices.Equal(f.all(), want) {
			t.Fatalf("there are %d, want %d, or they are others", f.len(), len(want))
		}
		whole := f.items[:cap(f.items)]
		if slices.ContainsFunc(whole[:f.first], func(p *int) bool { return p != nil }) ||
			slices.ContainsFunc(whole[len(f.items):], func(p *int) bool { return p != nil }) {
			t.Fatal("what was taken out is kept")
		}
	}
	if cap(f.items) > 8*most {
		t.Errorf("there is room for %d, of which no more than %d were in use", cap(f.items), most)
	}
}
