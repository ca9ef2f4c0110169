package redislist

import (
	"math/rand/v2"
	"time"
)

// timing holds every interval of the algorithm. Users have no say in them; tests
// scale them down.
type timing struct {
	lease   time.Duration // a worker is dead when it has not beaten for so long
	beat    time.Duration // and sweep
	former  time.Duration // how long a former worker's backup list is visited
	block   time.Duration // of a blocking pop; whole seconds, go-redis rounds
	connect time.Duration // for a connection to be dialed and greeted
	silence time.Duration // beyond a block; then the broker is probed
	giveUp  time.Duration // a push that found no broker for so long fails
	idle    time.Duration // managed Redis closes connections idle for 300 s
	reply   time.Duration // life of a process's reply list after the last reply
	late    time.Duration // after its deadline a reply may still come to a box
	article time.Duration // life of a reply list named by a request's id
	claim   time.Duration // life of a claim that nobody settles; void as soon as its worker is dead
	twin    time.Duration // how long a message waits in its slot for one with its key that runs, and then elsewhere
	stall   time.Duration // a service that could take nothing for so long, from a broker that answers, is broken
	soon    time.Duration // a handler that took no longer may run where its message was taken
	tick    time.Duration // and holds up who takes messages for no more than two
	closing time.Duration // Close waits no longer than this for handlers and, again, for the broker
}

func defaultTiming() timing {
	return timing{
		lease:   8 * time.Second,
		beat:    2 * time.Second,
		former:  time.Hour,
		block:   2 * time.Second,
		connect: 10 * time.Second,
		silence: 5 * time.Second,
		giveUp:  1500 * time.Millisecond,
		idle:    30 * time.Second,
		reply:   time.Minute,
		late:    5 * time.Second,
		article: 30 * time.Second,
		claim:   24 * time.Hour,
		twin:    time.Second,
		stall:   3 * time.Minute,
		soon:    500 * time.Microsecond,
		tick:    5 * time.Millisecond,
		closing: 2 * time.Second,
	}
}

// jittered returns d shortened by up to a quarter, so that processes started
// together do not act together.
func jittered(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// backoff returns how long to wait after the given number of failures in a row:
// doubling from 50 ms to 2 s, a quarter of the default lease, and anywhere between
// half of that and all of it, so that fifty processes which lost the broker
// together come back spread out.
func backoff(failures int) time.Duration {
	d := min(50*time.Millisecond<<min(failures, 10), 2*time.Second)
	return d/2 + time.Duration(rand.Int64N(int64(d)/2+1))
}
