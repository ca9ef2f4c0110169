package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// A scenario injects one kind of fault.
type scenario struct {
	name  string
	what  string
	run   func(*world)
	on    string // the transports on which there is such a fault
	short string // those of them that the short form runs it on, where it is not all
	alone bool   // needs the machine for the long form's figures
	quiet bool   // and for the short form's too
}

// Where scenarios run.
const (
	nowhere      = "-"
	redisOnly    = "redis"
	rabbitOnly   = "rabbitmq"
	withBroker   = "redis rabbitmq"
	onEverything = "redis rabbitmq http"
)

func scenarios() []scenario {
	return []scenario{
		{name: "kill", what: "workers die of kill -9 while they run requests", run: kill, on: onEverything, alone: true},
		{name: "gateway", what: "workers and gateways die of kill -9 under callers that come over HTTP", run: gateway, on: withBroker, alone: true},
		{name: "rolling", what: "every worker is replaced again and again, the new one first", run: rolling, on: onEverything, alone: true},
		{name: "cut", what: "the network between app and broker is broken", run: cut, on: withBroker},
		{name: "poison", what: "a message ends every worker that runs it", run: poison, on: withBroker},
		{name: "full", what: "Redis has reached maxmemory", run: full, on: redisOnly},
		{name: "evict", what: "Redis may evict keys", run: evict, on: redisOnly},
		{name: "frozen", what: "the broker stands still", run: frozen, on: withBroker, alone: true},
		{name: "restart", what: "the broker ends and comes back", run: restart, on: withBroker},
		{name: "queued", what: "requests pile up with no worker there", run: queued, on: withBroker},
		{name: "stop", what: "workers are told to stop at awkward moments", run: stop, on: onEverything},
		{name: "answer", what: "a connection breaks between a command and its answer", run: answer, on: redisOnly},
		{name: "pause", what: "a worker stands still for two leases", run: pause, on: redisOnly},
		{name: "twins", what: "two workers have the same name", run: twins, on: redisOnly},
		{name: "herd", what: "many processes lose the broker at once", run: herd, on: withBroker, short: redisOnly, quiet: true},
		{name: "slow", what: "ten times too much arrives", run: slow, on: onEverything},
		{name: "reader", what: "a caller stops reading its replies", run: reader, on: withBroker},
		{name: "malformed", what: "somebody sends what is no request", run: malformed, on: onEverything},
		{name: "twice", what: "the same key or id comes more than once", run: twice, on: redisOnly},
		{name: "alarm", what: "RabbitMQ is short of memory and takes no messages", run: alarm, on: rabbitOnly},
		{name: "deleted", what: "queues and exchanges are deleted", run: deleted, on: rabbitOnly},
		{name: "predeclared", what: "the queue exists and is another than wanted", run: predeclared, on: rabbitOnly},
		{name: "stale", what: "connections break under requests that run", run: stale, on: rabbitOnly},
		{name: "overdue", what: "RabbitMQ takes back what is not done in time", run: overdue, on: rabbitOnly, short: nowhere},
		{name: "churn", what: "callers come, call once and go or are killed", run: churn, on: rabbitOnly},
		{name: "unknown", what: "nobody serves what is called", run: unknown, on: onEverything},
		{name: "crowded", what: "the broker takes fewer connections than are wanted", run: crowded, on: redisOnly},
	}
}

// An act is a scenario on a transport.
type act struct {
	scenario scenario
	wire     *wire
}

// choose returns what is to be run, scenario by scenario.
func choose(names *regexp.Regexp, on []*wire, short bool) (chosen []act) {
	for _, s := range scenarios() {
		where := s.on
		if short && s.short != "" {
			where = s.short
		}
		for _, w := range on {
			if names.MatchString(s.name) && slices.Contains(strings.Fields(where), w.name) {
				chosen = append(chosen, act{s, w})
			}
		}
	}
	return chosen
}

// describe lists scenarios and what they run on.
func describe(out io.Writer, chosen []act) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := 0; i < len(chosen); {
		s := chosen[i].scenario
		var on []string
		for ; i < len(chosen) && chosen[i].scenario.name == s.name; i++ {
			on = append(on, chosen[i].wire.name)
		}
		fmt.Fprintln(t, strings.Join([]string{s.name, strings.Join(on, " "), s.what}, "\t"))
	}
	return t.Flush()
}
