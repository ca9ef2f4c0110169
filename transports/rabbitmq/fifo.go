package rabbitmq

// A fifo is a queue that uses its memory again.
type fifo[T any] struct {
	items []T // from first on
	first int
}

func (f *fifo[T]) len() int { return len(f.items) - f.first }

// all returns what is there, the oldest first, until the next change.
func (f *fifo[T]) all() []T { return f.items[f.first:] }

func (f *fifo[T]) push(item T) {
	if f.first > 0 && len(f.items) == cap(f.items) && f.first >= len(f.items)/2 {
		n := copy(f.items, f.items[f.first:])
		clear(f.items[n:])
		f.items, f.first = f.items[:n], 0
	}
	f.items = append(f.items, item)
}

// pop takes the oldest out. There must be one.
func (f *fifo[T]) pop() T {
	item := f.items[f.first]
	clear(f.items[f.first : f.first+1])
	if f.first++; f.first == len(f.items) {
		f.items, f.first = f.items[:0], 0
	}
	return item
}

// unpush takes the newest out. There must be one.
func (f *fifo[T]) unpush() {
	last := len(f.items) - 1
	clear(f.items[last:])
	if f.items = f.items[:last]; f.first == last {
		f.items, f.first = f.items[:0], 0
	}
}
