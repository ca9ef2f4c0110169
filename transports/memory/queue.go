package memory

import (
	"container/list"
	"slices"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A queue holds the messages of one service, guarded by its broker's mutex.
type queue struct {
	announced bool
	paused    bool
	ready     *list.List        // of *job, next to run first
	suspects  *list.List        // of *job: those that count deaths
	later     []*job            // not due yet, next to be due first
	unique    map[string]*job   // by Message.Unique: those that hold one
	claims    map[claimKey]*job // deduplicated ones that run
	kept      map[claimKey]keptReply
	dead      []transports.DeadLetter // oldest first
	workers   []*worker
	changed   chan struct{} // closed and replaced when there may be more to take
}

func newQueue() *queue {
	return &queue{
		ready: list.New(), suspects: list.New(), changed: make(chan struct{}),
		unique: map[string]*job{}, claims: map[claimKey]*job{}, kept: map[claimKey]keptReply{},
	}
}

// put adds a new message, unless it is unique and one like it waits.
func (q *queue) put(j *job) {
	if key := j.message.Unique; key != "" {
		if other := q.unique[key]; other != nil && !expired(other.message, time.Now()) {
			return
		}
		q.unique[key] = j
	}
	j.message.Enqueued = time.Now()
	q.add(j, j.message.NotBefore)
}

// add puts a job behind all others that are due before it. One whose caller has
// gone is dropped, here as in putBack.
func (q *queue) add(j *job, due time.Time) {
	if j.cancelled {
		return
	}
	j.due = due
	if due.After(time.Now()) {
		after := slices.IndexFunc(q.later, func(other *job) bool { return other.due.After(due) })
		if after < 0 {
			after = len(q.later)
		}
		q.later = slices.Insert(q.later, after, j)
	} else {
		j.place = q.listOf(j).PushBack(j)
	}
	q.wake()
}

// putBack adds a message that was taken before all others.
func (q *queue) putBack(j *job) {
	if j.cancelled {
		return
	}
	j.place = q.listOf(j).PushFront(j)
	q.wake()
}

func (q *queue) listOf(j *job) *list.List {
	if j.deaths > 0 {
		return q.suspects
	}
	return q.ready
}

// remove takes a message out of wherever it waits.
func (q *queue) remove(j *job) {
	if j.place != nil {
		q.ready.Remove(j.place) // a list leaves alone what is not its own
		q.suspects.Remove(j.place)
	}
	q.later = slices.DeleteFunc(q.later, func(other *job) bool { return other == j })
}

// release gives up the Unique of a message that waits no more.
func (q *queue) release(j *job) {
	if q.unique[j.message.Unique] == j {
		delete(q.unique, j.message.Unique)
	}
}

// promote moves what is due by now to where it can be taken, and returns how long
// it takes until the next is due, zero if there is none.
func (q *queue) promote(now time.Time) time.Duration {
	for len(q.later) > 0 {
		j := q.later[0]
		if wait := j.due.Sub(now); wait > 0 {
			return wait
		}
		q.later = slices.Delete(q.later, 0, 1)
		j.place = q.listOf(j).PushBack(j)
	}
	return 0
}

// next takes the message that w is to run next. Without one it returns nil and
// how long it takes until the next delayed message is due, zero if there is none.
// On the way it removes what has expired.
func (q *queue) next(w *worker) (*job, time.Duration) {
	if q.paused {
		return nil, 0
	}
	now := time.Now()
	wait := q.promote(now)
	for _, waiting := range []*list.List{q.suspects, q.ready} {
		for e := waiting.Front(); e != nil; {
			j, next := e.Value.(*job), e.Next()
			switch {
			case expired(j.message, now):
				waiting.Remove(e)
				q.release(j)
			case !j.refused[w]:
				waiting.Remove(e)
				return j, 0
			}
			e = next
		}
	}
	return nil, wait
}

func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}
