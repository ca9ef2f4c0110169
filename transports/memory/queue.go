package memory

import (
	"bytes"
	"container/list"
	"maps"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A queue holds the messages of one service, guarded by its broker's mutex.
type queue struct {
	announced bool
	waiting   *list.List // of *job, next to run first
	dead      []DeadLetter
	workers   []*worker
	changed   chan struct{} // closed and replaced when there may be more to take
}

// A job is a message on its way.
type job struct {
	message transports.Message
	due     time.Time        // not to be run before; zero: now
	refused map[*worker]bool // who said NotMine
	replies chan []byte      // with room for one; nil where nobody waits
}

func newQueue() *queue {
	return &queue{waiting: list.New(), changed: make(chan struct{})}
}

// put adds a new message at the end, unless it is unique and one like it waits.
func (q *queue) put(m transports.Message, replies chan []byte) {
	now := time.Now()
	if m.Unique != "" {
		for e := q.waiting.Front(); e != nil; e = e.Next() {
			if other := e.Value.(*job).message; other.Unique == m.Unique && !expired(other, now) {
				return
			}
		}
	}
	m = clone(m)
	m.Enqueued, m.Failures, m.Redelivered = now, 0, false
	q.waiting.PushBack(&job{message: m, due: m.NotBefore, replies: replies})
	q.wake()
}

// putBack adds a message that was taken before all others.
func (q *queue) putBack(j *job) {
	q.waiting.PushFront(j)
	q.wake()
}

func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// answer delivers the first reply, if anyone waits. Later ones are dropped.
func (j *job) answer(reply []byte) {
	select {
	case j.replies <- reply:
	default: // also where replies is nil
	}
}

func expired(m transports.Message, now time.Time) bool {
	return !m.Expires.IsZero() && !m.Expires.After(now)
}

// clone protects queued messages from senders and handlers that reuse theirs.
func clone(m transports.Message) transports.Message {
	m.Body, m.Header = bytes.Clone(m.Body), maps.Clone(m.Header)
	return m
}
