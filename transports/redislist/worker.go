package redislist

import (
	"context"
	"errors"
	"sync"

	"github.com/google/uuid"
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

	mu      sync.Mutex          // guards what follows
	entries map[*entry]struct{} // taken and not settled
	known   map[string]int      // how often each message is among the entries
	adopted map[string]int      // found by the audit; see take
	unknown map[string]int      // found by the last audit, and not adopted yet
	fenced  bool
	changed chan struct{} // closed and replaced when entries becomes empty, or at a fence
}

// An entry is one message that this process has taken.
type entry struct {
	frame  frame
	raw    string
	cancel context.CancelCauseFunc // ends its handler's context
	ended  bool                    // its settlement is decided; guarded by worker.mu
}

func newWorker(k keys, service string) *worker {
	id := uuid.NewString()
	return &worker{
		keys: k, service: service, id: id,
		queue: k.queue(service), backup: k.backup(service, id),
		entries: make(map[*entry]struct{}), known: make(map[string]int),
		adopted: make(map[string]int), changed: make(chan struct{}),
	}
}

// take enters a message that this worker has moved to its backup list. It returns
// nil for one that the audit has found before the answer to the move arrived, and
// once the worker is fenced: whoever fenced it gives the message back.
func (w *worker) take(raw string, cancel context.CancelCauseFunc) *entry {
	e := &entry{raw: raw, frame: decode(raw), cancel: cancel}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fenced {
		return nil
	}
	if w.adopted[raw] > 0 {
		decrement(w.adopted, raw)
		return nil
	}
	w.enterLocked(e)
	return e
}

func (w *worker) enterLocked(e *entry) {
	w.entries[e] = struct{}{}
	w.known[e.raw]++
}

// count returns how many messages this worker knows to be in its backup list.
func (w *worker) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.entries)
}

// audit compares what the backup list holds with what this process works on. A
// message that is in the list and unknown twice in a row was moved there by a
// command whose answer never came: it is entered and returned to be worked on.
func (w *worker) audit(list []string) (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	surplus := make(map[string]int)
	seen := make(map[string]int)
	for _, raw := range list {
		seen[raw]++
		if seen[raw] > w.known[raw] {
			surplus[raw]++
		}
	}
	for raw, n := range surplus {
		for range min(n, w.unknown[raw]) {
			found = append(found, raw)
		}
	}
	w.unknown = surplus
	return found
}

// adopt enters a message that the audit has found.
func (w *worker) adopt(raw string, cancel context.CancelCauseFunc) *entry {
	e := &entry{raw: raw, frame: decode(raw), cancel: cancel}
	e.frame.Redelivered = true
	w.mu.Lock()
	defer w.mu.Unlock()
	w.adopted[raw]++
	decrement(w.unknown, raw)
	w.enterLocked(e)
	return e
}

func decrement(counts map[string]int, key string) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
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
	decrement(w.known, e.raw)
	if len(w.entries) == 0 {
		w.changedLocked()
	}
}

// endAll returns the entries whose settlement is not decided, and decides it.
func (w *worker) endAll() []*entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	var open []*entry
	for e := range w.entries {
		if !e.ended && !w.fenced {
			e.ended = true
			open = append(open, e)
		}
	}
	return open
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
func (w *worker) fence(cause error) {
	w.mu.Lock()
	w.fenced = true
	entries := w.entries
	w.entries, w.known, w.adopted = map[*entry]struct{}{}, map[string]int{}, map[string]int{}
	w.changedLocked()
	w.mu.Unlock()
	for e := range entries {
		e.cancel(cause)
	}
}

func (w *worker) isFenced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fenced
}
