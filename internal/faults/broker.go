package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A broker is what carries a scenario's messages, as the bench sees it by itself: it
// asks no transport of ours.
type broker interface {
	view
	victim
}

// A view is what can be seen in a broker.
type view interface {
	serving(p *worker) bool   // p takes requests
	waiting() int             // requests that no worker has taken yet
	holding() []place         // where requests and replies are left
	sample(key string) string // one message of a place
	replies() replies         // what waits for callers
	deadLetters() []string    // their bodies
	leftovers() []string      // what would stay for ever and is not meant to
	connections() int         // of the app's processes
	misfits(alive int) string // "", or what is wrong with how that many workers are attached
}

// A victim is what can be done to a broker.
type victim interface {
	addr() string       // host:port where it listens, for what goes in between
	pid() int           // 0 where it is no process of the scenario's own
	pester() (sent int) // sends what is no request

	pause() // it stands still, with its connections open
	resume()
	end(s syscall.Signal) error // of its process
	revive()                    // it starts again with what it had written down
}

// A place is one list or queue that messages can be in.
type place struct {
	key string
	n   int64
}

// forCaller reports whether replies to a caller are in it.
func (p place) forCaller() bool {
	return strings.HasPrefix(p.key, "{journeyman}:r:") || strings.HasPrefix(p.key, replyPrefix)
}

// held returns where something is left that somebody is to take.
func (w *world) held() []place {
	places := w.broker.holding()
	if w.callersDie {
		places = slices.DeleteFunc(places, place.forCaller)
	}
	return places
}

// replies are what waits for callers that do not read.
type replies struct {
	most    int // for one of them
	may     int // so many may for one with 64 calls under way
	eternal int // lists or queues that would not go away by themselves
}

// host lets a scenario use what is made for tests: all that a broker asks of its
// test is here.
type host struct {
	testing.TB
	world *world
}

func (h host) Helper()                           {}
func (h host) Name() string                      { return h.world.scenario.name }
func (h host) TempDir() string                   { return h.world.tempDir() }
func (h host) Cleanup(do func())                 { h.world.cleanup(do) }
func (h host) Fatal(args ...any)                 { panic(halt{fmt.Sprint(args...)}) }
func (h host) Fatalf(format string, args ...any) { panic(halt{fmt.Sprintf(format, args...)}) }
func (h host) Errorf(format string, args ...any) { h.world.want(false, format, args...) }
func (h host) Error(args ...any)                 { h.world.want(false, "%s", fmt.Sprint(args...)) }
func (h host) Logf(format string, args ...any)   { h.world.say(format, args...) }

func (w *world) tempDir() string {
	dir, err := os.MkdirTemp(w.dir, "broker-")
	w.must(err)
	return dir
}

// startBroker gives the scenario a broker to itself, as its transport needs it, and
// has everybody use it. Its process may be others' too.
func (w *world) startBroker() broker { return w.wire.start(w, false) }

// startOwn starts a broker that the scenario may freeze and end.
func (w *world) startOwn() broker { return w.wire.start(w, true) }
