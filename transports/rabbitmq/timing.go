package rabbitmq

import (
	"math/rand/v2"
	"time"
)

// timing holds every interval of the algorithm. Users have no say in them; tests
// scale them down.
type timing struct {
	heartbeat time.Duration // a silent peer is given up after one and a half of these; whole seconds
	write     time.Duration // for one write to a socket. The library has no limit of its own, and hangs with it
	connect   time.Duration // for a connection to be dialed and greeted
	giveUp    time.Duration // a hand-over that found no broker for so long fails
	backoff   time.Duration // the longest pause between two attempts to connect
	replies   time.Duration // life of a process's reply queue while nobody consumes it
	late      time.Duration // after its deadline a reply may still come to a box
	second    time.Duration // how long a message waits after its second death, before it runs alone
	third     time.Duration // and after its third
	alone     time.Duration // how long a worker may take to become empty for one that has to run alone
	stall     time.Duration // a service that could not consume for so long, from a broker that answers, is broken
	closing   time.Duration // Close waits no longer than this for handlers and, again, for the broker
}

func defaultTiming() timing {
	return timing{
		heartbeat: 10 * time.Second,
		write:     10 * time.Second,
		connect:   10 * time.Second,
		giveUp:    1500 * time.Millisecond,
		backoff:   5 * time.Second,
		replies:   5 * time.Minute,
		late:      5 * time.Second,
		second:    4 * time.Second,
		third:     time.Minute,
		alone:     10 * time.Second,
		stall:     3 * time.Minute,
		closing:   2 * time.Second,
	}
}

// pause returns how long to wait after the given number of failures in a row:
// doubling from 100 ms, and anywhere between half of that and all of it, so that
// fifty processes which lost the broker together come back spread out.
func (t timing) pause(failures int) time.Duration {
	d := min(100*time.Millisecond<<min(failures, 10), t.backoff)
	return d/2 + time.Duration(rand.Int64N(int64(d)/2+1))
}
