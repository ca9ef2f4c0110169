package redislist

// An exchange carries no more bytes than this, unless a single message is larger:
// batches of large messages are slower than one at a time.
const maxExchange = 256 << 10

// Nor more messages: a script of hundreds would keep other clients waiting.
const maxBatch = 128

// takeSome removes from queue what fits into one exchange that holds size bytes already.
func takeSome[T any](queue *[]T, size int, sizeOf func(T) int) ([]T, int) {
	n := 0
	for n < len(*queue) && n < maxBatch {
		s := sizeOf((*queue)[n])
		if size > 0 && size+s > maxExchange {
			break
		}
		size += s
		n++
	}
	taken := (*queue)[:n:n]
	*queue = (*queue)[n:]
	if len(*queue) == 0 {
		*queue = nil
	}
	return taken, size
}

// A batchSize guesses how many messages to ask for at once, where Redis counts messages
// and not bytes: as many of the last ones' size as make an exchange.
type batchSize struct{ mean int } // of those, in bytes; 0: not known

func (b *batchSize) most() int {
	if b.mean == 0 {
		return 1
	}
	return max(1, min(maxBatch, maxExchange/b.mean))
}

func (b *batchSize) note(raws []string) {
	bytes := 0
	for _, raw := range raws {
		bytes += len(raw) + 1
	}
	if len(raws) > 0 {
		b.mean = bytes / len(raws)
	}
}
