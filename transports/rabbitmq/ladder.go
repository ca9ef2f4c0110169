package rabbitmq

import "time"

// rungs returns how long a message can be made to wait, shortest first. RabbitMQ
// drops what is over only at the head of a queue, so waits of different lengths
// cannot share one; each rung is a queue whose messages all wait equally long, and
// a message that has to wait for something else takes several rungs in turn.
//
// Each is about four times the one before: whatever the wait, what is left after a
// rung is less than three times as long as it, so that no rung is taken more than
// three times in a row.
func rungs() []time.Duration {
	return []time.Duration{
		time.Second, 4 * time.Second, 15 * time.Second,
		time.Minute, 4 * time.Minute, 15 * time.Minute,
		time.Hour, 4 * time.Hour, 16 * time.Hour,
	}
}

// rung returns the longest rung that is not longer than the wait, and the shortest
// for shorter ones.
func rung(wait time.Duration) time.Duration {
	all := rungs()
	longest := all[0]
	for _, d := range all {
		if d <= wait {
			longest = d
		}
	}
	return longest
}
