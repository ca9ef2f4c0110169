package main

import (
	"context"
	"crypto/rand"
	"io"
	"strconv"
	"sync/atomic"
)

// slots is how many requests a worker has in hand at once: what ours do by themselves.
const slots = 64

// perBatch is how many requests go into one message where batches are measured.
const perBatch = 32

// A system is one way to carry calls: a pair of programs, a caller and a worker.
type system struct {
	name    string
	carrier string // redis, rabbitmq, http or nats
	base    string // name of the system that it is compared with, "" for those others are compared with
	open    func(t target) (caller, error)
	work    func(t target, ready func()) error // of a worker, which ends by a signal; nil: ours
	per     int64                              // requests in each call of the caller
	jobs    bool                               // what is queued for it are notifications, made by the public client
}

func (s *system) ours() bool { return s.work == nil }

// A caller is what the goroutines of a calling process share.
type caller interface {
	// call makes one call and wants its reply to be right. n is the goroutine's number.
	call(ctx context.Context, n int) error
	io.Closer
}

// A target says to callers and workers where to meet.
type target struct {
	URLs    []string `json:"urls"`    // of the broker; over HTTP of each worker
	Listen  string   `json:"listen"`  // over HTTP, of a base worker: host:port
	Callers int      `json:"callers"` // goroutines
	Work    work     `json:"work"`
}

// systems returns all of them; the tables list them in this order.
func systems() []*system {
	all := []*system{
		{name: "redis-base", carrier: "redis", open: openBaseRedis, work: workBaseRedis},
		{name: "redis-ours", carrier: "redis", base: "redis-base", open: openOurs("redis")},
		{name: "rabbitmq-base", carrier: "rabbitmq", open: openBaseRabbit, work: workBaseRabbit},
		{name: "rabbitmq-ours", carrier: "rabbitmq", base: "rabbitmq-base", open: openOurs("rabbitmq")},
		{name: "http-base", carrier: "http", open: openBaseHTTP, work: workBaseHTTP},
		{name: "http-ours", carrier: "http", base: "http-base", open: openOurs("http")},
		{name: natsName, carrier: "nats", open: openNATS, work: workNATS},
	}
	all = append(all, &system{name: "redis-jobs", carrier: "redis", base: "redis-base", open: openOurs("redis"), jobs: true})
	for _, carrier := range []string{"redis", "rabbitmq", "http"} {
		all = append(all, &system{
			name: carrier + "-batch", carrier: carrier, base: carrier + "-base", open: openBatches(carrier), per: perBatch,
		})
	}
	for _, s := range all {
		s.per = max(s.per, 1)
	}
	return all
}

// natsName is the system that everything is compared with besides its own base.
const natsName = "nats"

// ids makes ids that no other process makes.
type ids struct {
	prefix string
	last   atomic.Uint64
}

func newIDs() *ids { return &ids{prefix: rand.Text() + "-"} }

func (i *ids) next() string { return i.prefix + strconv.FormatUint(i.last.Add(1), 36) }
