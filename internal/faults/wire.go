package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/rabbitmq"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// A wire is one of the transports, and what its promise lets the bench demand.
type wire struct {
	name  string
	start func(w *world, own bool) broker // own: a process of the scenario's own, to be ended or frozen

	queues   bool          // what was accepted outlives the process that had it
	dedupes  bool          // methods can be registered as effectively once
	single   bool          // acknowledgement and reply are one step, so nobody is sent a second reply
	leases   bool          // a worker is dead once it was silent for a lease; elsewhere with its connection
	recovery time.Duration // what a dead worker had begun is begun again within this
	comeback time.Duration // once the broker is back, something succeeds within this
	patience time.Duration // what was accepted is settled within this, whatever it went through
}

// wires returns all of them, by name.
func wires() []*wire {
	return []*wire{
		{
			name: "redis", start: func(w *world, _ bool) broker { return w.startRedis() },
			queues: true, dedupes: true, single: true, leases: true, recovery: lease + 2*beat + time.Second,
			comeback: 5 * time.Second, patience: 30 * time.Second,
		},
		{
			name: "rabbitmq", start: startRabbit,
			queues: true, recovery: 5 * time.Second, // the broker sees the socket close, at once
			comeback: 10 * time.Second, // the longest pause between two attempts is half of it
			patience: 2 * time.Minute,  // whose connection broke three times waits for one before it runs alone
		},
		{
			name: "http", start: func(w *world, _ bool) broker { return w.startFront() },
		},
	}
}

// chooseWires returns the wires of a comma-separated list; "all" is all of them.
func chooseWires(list string) (chosen []*wire, err error) {
	if list == "all" {
		return wires(), nil
	}
	var names []string
	for _, w := range wires() {
		names = append(names, w.name)
	}
	for name := range strings.SplitSeq(list, ",") {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, fmt.Errorf("-transport: %q is none of %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, wires()[i])
	}
	return chosen, nil
}

// caller returns a transport of its own, as another process would have it.
func (w *world) caller(url string) transports.Transport {
	w.mu.Lock()
	name := fmt.Sprintf("caller-%d", len(w.callers)+1)
	w.mu.Unlock()
	file, err := os.Create(w.path(name + ".log"))
	w.must(err)
	c, err := open(url, name, slog.New(slog.NewTextHandler(file, nil)))
	w.must(err)
	w.mu.Lock()
	w.callers = append(w.callers, c)
	w.mu.Unlock()
	w.cleanup(func() { _ = file.Close() })
	return c
}

// open opens a transport as the app's own processes do.
func open(url, name string, log *slog.Logger) (transports.Transport, error) {
	link, err := dial.Open(runner.Target{
		URL: url, Catalogue: []string{service}, MaxMessage: maxMessage, Instance: name, Log: log,
	})
	return link.Transport, err
}

// maxMessage is the app's limit on the length of messages, bytes.
const maxMessage = 8 << 20

// lateReplies returns how many replies found no call of this caller waiting.
func lateReplies(caller transports.Transport) int {
	switch c := caller.(type) {
	case interface{ Counts() redislist.Counts }:
		return int(c.Counts().LateReplies)
	case interface{ Counts() rabbitmq.Counts }:
		return int(c.Counts().LateReplies)
	default: // a reply over HTTP has its connection, and can come once only
		return 0
	}
}
