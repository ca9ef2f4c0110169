package runner

import (
	"fmt"
	"time"
)

// stuckGrace is how long a handler may take to notice that its time is over.
const stuckGrace = 2 * time.Second

// stuckShare is the part of a process's slots, one in so many, that handlers may
// hold that do not return. They hold no slot of the transport any more, so
// without a limit a worker would fill up with them and look alive.
const stuckShare = 8

// freshProcess is what a worker says last that would only look alive.
const freshProcess = "ending so that the platform starts a fresh process"

// checkStuck ends the process when too many handlers do not return.
func (a *adapter) checkStuck() {
	n := a.mux.Stuck()
	if a.stuckLimit == 0 || n < a.stuckLimit {
		return
	}
	word := "handlers do"
	if n == 1 {
		word = "handler does"
	}
	select {
	case a.ending <- fmt.Errorf("%d %s not return; %s", n, word, freshProcess):
	default: // it is known
	}
}
