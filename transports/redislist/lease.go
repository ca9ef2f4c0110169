package redislist

import (
	"context"
	"time"

	"github.com/journeyman-go/journeyman/internal/lifetime"
)

// news is what a beat tells a worker beside the time.
type news struct {
	paused    bool
	suspects  int64           // messages to be run a few at a time
	alone     int64           // messages to be run alone
	cancelled map[string]bool // ids of messages whose callers have gone
}

// renew notes an answered beat that was sent at the given time, and what it told.
// It reports whether a fetcher that waits should look after it.
func (w *worker) renew(sent time.Time, n news) (stir bool) {
	w.mu.Lock()
	stir = n.paused && !w.news.paused || n.suspects > 0 && w.news.suspects == 0 || n.alone > 0 && w.news.alone == 0
	w.leased, w.news = sent, n
	var lives []*lifetime.Context // whose callers have gone
	for e := range w.entries {
		if e.life != nil && e.isIn(n.cancelled) {
			lives = append(lives, e.life)
		}
	}
	w.beatenLocked()
	w.mu.Unlock()
	for _, life := range lives {
		life.Cancel()
	}
	return stir
}

// heard returns the news of the last beat.
func (w *worker) heard() news {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.news
}

// exhausted notes that a list of suspects was found empty, until a beat says otherwise.
func (w *worker) exhausted(alone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if alone {
		w.news.alone = 0
	} else {
		w.news.suspects = 0
	}
}

func (w *worker) isCancelled(e *entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return e.isIn(w.news.cancelled)
}

// isIn reports whether an entry is a call among those with the given ids. Nothing
// else can be cancelled; a dead letter that was retried has the id of the call that
// it once was.
func (e *entry) isIn(ids map[string]bool) bool {
	return e.frame.replyTo != "" && ids[e.frame.ID]
}

func (w *worker) beatenLocked() {
	close(w.beaten)
	w.beaten = make(chan struct{})
}

// awaitBeat returns after the next answered beat, or a fence.
func (w *worker) awaitBeat(ctx context.Context) {
	w.mu.Lock()
	fenced, beaten := w.fenced, w.beaten
	w.mu.Unlock()
	if fenced {
		return
	}
	select {
	case <-beaten:
	case <-ctx.Done():
	}
}

// isLeased reports whether this worker is alive in the others' eyes, as far as it knows.
func (w *worker) isLeased(lease time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.fenced && time.Since(w.leased) < lease
}

// awaitLease returns once this worker is sure to be alive in the others' eyes, or
// to be fenced. A process that was stopped, or whose beats do not get through,
// must neither take nor begin anything before it knows which.
func (w *worker) awaitLease(ctx context.Context, lease time.Duration) {
	for {
		w.mu.Lock()
		sure, beaten := w.fenced || time.Since(w.leased) < lease, w.beaten
		w.mu.Unlock()
		if sure {
			return
		}
		select {
		case <-beaten:
		case <-ctx.Done():
			return
		}
	}
}
