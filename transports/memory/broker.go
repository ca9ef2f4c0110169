package memory

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A Broker holds the queues that the transports opened on it share. Its methods
// may be called from any goroutine.
type Broker struct {
	mu       sync.Mutex           // guards everything below, and the queues' and workers' fields
	services map[string]*queue    // by name
	kept     map[string]keptReply // by message id
}

// keptReply is the reply of a message that is not to be executed again.
type keptReply struct {
	body  []byte
	until time.Time
}

// New returns a broker with no queues.
func New() *Broker {
	return &Broker{services: map[string]*queue{}, kept: map[string]keptReply{}}
}

// A DeadLetter is a message that was buried, and why.
type DeadLetter struct {
	Message transports.Message
	Err     error // of the Outcome that buried it
}

// Dead returns what was buried in a service's queue, oldest first.
func (b *Broker) Dead(service string) []DeadLetter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.queueLocked(service).dead)
}

func (b *Broker) queueLocked(service string) *queue {
	q := b.services[service]
	if q == nil {
		q = newQueue()
		b.services[service] = q
	}
	return q
}

func (b *Broker) announceLocked(names ...string) {
	for _, name := range names {
		b.queueLocked(name).announced = true
	}
}

// nextLocked takes the message that w is to run next from q. Without one it
// returns nil and how long it takes until the next delayed message is due, zero
// if there is none. On the way it removes what has expired and answers what was
// executed before and kept.
func (b *Broker) nextLocked(q *queue, w *worker) (*job, time.Duration) {
	now := time.Now()
	var wait time.Duration
	for e := q.waiting.Front(); e != nil; {
		j, next := e.Value.(*job), e.Next()
		kept, again := b.kept[j.message.ID]
		switch due := j.due.Sub(now); {
		case expired(j.message, now):
			q.waiting.Remove(e)
		case due > 0:
			if wait == 0 || due < wait {
				wait = due
			}
		case again && kept.until.After(now):
			q.waiting.Remove(e)
			j.answer(kept.body)
		case !j.refused[w]:
			q.waiting.Remove(e)
			return j, 0
		}
		e = next
	}
	return nil, wait
}

func (b *Broker) keepLocked(id string, reply []byte, d time.Duration) {
	now := time.Now()
	maps.DeleteFunc(b.kept, func(_ string, k keptReply) bool { return !k.until.After(now) })
	b.kept[id] = keptReply{body: reply, until: now.Add(d)}
}
