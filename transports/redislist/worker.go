package redislist

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/journeyman-go/journeyman/internal/lifetime"
)

// errFenced ends a worker that others have declared dead: its messages are theirs.
var errFenced = errors.New("declared dead by another worker")

// A worker is one identity under which a process serves: a backup list, a lease,
// and the messages in it. A process that was declared dead goes on under a new one.
//
// The identity is never derived from the platform's name for the process: during
// a deploy, two dynos can have the same one.
type worker struct {
	keys    keys
	service string
	id      string
	queue   string
	backup  string
	stir    func() // has the fetcher look what there is to do

	failed chan error // holds why beats will never succeed, if that is so

	mu      sync.Mutex          // guards what follows
	entries map[*entry]struct{} // taken and not settled
	adopted map[string]int      // found by the audit; the answer to their move may still come
	unknown map[string]int      // found by the last audit, and not adopted yet
	recent  map[string]int      // settled since the audit under way began
	found   []*entry            // adopted and not begun
	cutOff  bool                // the answer to a move was lost
	stopped bool                // nothing more is begun
	taken   uint64
	fenced  bool
	leased  time.Time     // when the last answered beat was sent
	beaten  chan struct{} // closed and replaced at each answered beat and at a fence
	changed chan struct{} // closed and replaced when entries becomes empty, or at a fence
	news    news          // of the last beat
}

// An entry is one message that this process has taken.
type entry struct {
	frame frame
	raw   string
	order uint64            // the younger the higher
	life  *lifetime.Context // of its handler, once that was begun; guarded by worker.mu
	ended bool              // its settlement is decided; guarded by worker.mu

	began    time.Time // by the broker's clock
	cautious bool      // a suspect that holds one of server.cautious

	taking *taking // that ran it, where it came alone

	claim claim // made by its handler's goroutine, ended by the settlement
}

func newWorker(k keys, service string) *worker {
	id := uuid.NewString()
	return &worker{
		keys: k, service: service, id: id,
		queue: k.queue(service), backup: k.backup(service, id),
		entries: make(map[*entry]struct{}), failed: make(chan error, 1),
		adopted: make(map[string]int), changed: make(chan struct{}), beaten: make(chan struct{}),
	}
}

// take enters a message that this worker has moved to its backup list. It returns
// nil for one that the audit has found before the answer to the move arrived, and
// once the worker is fenced: whoever fenced it gives the message back.
func (w *worker) take(raw string) *entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fenced {
		return nil
	}
	if w.adopted[raw] > 0 {
		decrement(w.adopted, raw)
		return nil
	}
	return w.enterLocked(raw)
}

func (w *worker) enterLocked(raw string) *entry {
	w.taken++
	e := &entry{raw: raw, frame: decode(raw), order: w.taken}
	w.entries[e] = struct{}{}
	return e
}

// count returns how many messages this worker knows to be in its backup list.
func (w *worker) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.entries)
}

// begin notes the lifetime of an entry's handler. It returns false where the entry's
// settlement is decided already.
func (w *worker) begin(e *entry, life *lifetime.Context) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.life = life
	return !e.ended && !w.fenced
}

// end decides an entry's settlement. It returns false where that was decided
// before: by a fence, or because the message was given back.
func (w *worker) end(e *entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.ended || w.fenced {
		return false
	}
	e.ended = true
	return true
}

// forget removes an entry whose settlement the broker has answered. What the audit
// adopted stays marked: the answer to its move may still come.
func (w *worker) forget(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.entries[e]; !ok {
		return
	}
	delete(w.entries, e)
	if w.recent != nil {
		w.recent[e.raw]++
	}
	if len(w.entries) == 0 {
		w.changedLocked()
	}
}

// endAll decides the settlement of all entries where it is open. It returns them,
// youngest first, and the lifetimes of their handlers.
func (w *worker) endAll() (open []*entry, lives []*lifetime.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fenced {
		return nil, nil
	}
	for e := range w.entries {
		if !e.ended {
			e.ended = true
			open = append(open, e)
		}
	}
	slices.SortFunc(open, func(a, b *entry) int { return cmp.Compare(b.order, a.order) })
	for _, e := range open {
		if e.life != nil {
			lives = append(lives, e.life)
		}
	}
	return open, lives
}

// quiet returns a channel that is closed once nothing is unsettled.
func (w *worker) quiet() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.entries) == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	return w.changed
}

func (w *worker) changedLocked() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// fence cuts this worker off: nothing of it is settled any more, and its handlers
// are told to stop.
func (w *worker) fence() {
	w.mu.Lock()
	w.fenced = true
	var lives []*lifetime.Context
	for e := range w.entries {
		if e.life != nil {
			lives = append(lives, e.life)
		}
	}
	w.entries, w.adopted = map[*entry]struct{}{}, map[string]int{}
	w.changedLocked()
	w.beatenLocked()
	w.mu.Unlock()
	for _, life := range lives {
		life.Cancel()
	}
}

func (w *worker) isFenced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fenced
}
