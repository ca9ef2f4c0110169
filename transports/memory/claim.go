package memory

import (
	"bytes"
	"context"
	"maps"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A claimKey is what tells apart messages that are to run once.
type claimKey struct{ method, key string }

func (j *job) claimKey() claimKey { return claimKey{j.message.Method, j.message.Key} }

// keptReply is the reply of a message that is not to be executed again.
type keptReply struct {
	body  []byte
	until time.Time
}

func (q *queue) keep(key claimKey, body []byte, d time.Duration) {
	now := time.Now()
	maps.DeleteFunc(q.kept, func(_ claimKey, k keptReply) bool { return !k.until.After(now) })
	q.kept[key] = keptReply{body: body, until: now.Add(d)}
}

// unclaim lets another message with the key of j run.
func (q *queue) unclaim(j *job) {
	if key := j.claimKey(); q.claims[key] == j {
		delete(q.claims, key)
		q.wake()
	}
}

// claim waits until no other message with the same key runs. Then it either claims
// the key for d's, and run is true, or returns the Outcome that answers it as that
// one was. Where ctx or stop ends first, d's is not to be run: its time is up, or
// it goes back.
func (t *Transport) claim(ctx, stop context.Context, d *delivery) (o transports.Outcome, run bool) {
	q, j := d.queue, d.job
	key := j.claimKey()
	for {
		t.broker.mu.Lock()
		if !d.worker.running[j] || ctx.Err() != nil {
			t.broker.mu.Unlock()
			return transports.Outcome{}, false
		}
		if kept, ok := q.kept[key]; ok && kept.until.After(time.Now()) {
			t.broker.mu.Unlock()
			return transports.Outcome{Reply: bytes.Clone(kept.body)}, false
		}
		if q.claims[key] == nil {
			q.claims[key] = j
			t.broker.mu.Unlock()
			return transports.Outcome{}, true
		}
		changed := q.changed
		t.broker.mu.Unlock()

		select {
		case <-changed:
		case <-ctx.Done():
		case <-stop.Done():
			return transports.Outcome{Verdict: transports.NotMine}, false
		}
	}
}
