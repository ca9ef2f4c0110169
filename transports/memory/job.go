package memory

import (
	"bytes"
	"container/list"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// mostHistory bounds what a message carries along of its attempts.
const mostHistory = 20

// A job is a message on its way.
type job struct {
	message   transports.Message
	due       time.Time          // when it could be taken first
	place     *list.Element      // in ready or suspects, while it stands there
	deaths    int                // workers that died of it, one after the other
	refused   map[*worker]bool   // who said NotMine
	replies   chan reply         // with room for one; nil where nobody waits
	box       *box               // where the reply is kept; nil: nowhere
	cancel    context.CancelFunc // of the handler; nil before the first
	cancelled bool               // its caller has gone
}

// A reply is what a Call is told: an answer, or that there will be none.
type reply struct {
	body []byte
	err  error
}

// newJob returns a job with a copy of a message as its sender composed it.
func newJob(m transports.Message, replies chan reply) *job {
	m.Failures, m.Redelivered, m.Unread, m.History = 0, false, false, nil
	return &job{message: clone(m), replies: replies}
}

// answer delivers the first reply, if anyone waits or has a box for it. Later ones are
// dropped.
func (j *job) answer(r reply) {
	if j.box != nil {
		j.box.putLocked(r)
	}
	select {
	case j.replies <- r:
	default: // also where replies is nil
	}
}

// note records how an attempt of w ended.
func (j *job) note(w *worker, died bool, err error) {
	a := transports.Attempt{At: time.Now(), Died: died, Worker: w.status.ID}
	if err != nil {
		a.Error = err.Error()
	}
	h := slices.Insert(j.message.History, 0, a)
	j.message.History = h[:min(len(h), mostHistory)]
}

func expired(m transports.Message, now time.Time) bool {
	return !m.Expires.IsZero() && !m.Expires.After(now)
}

// clone protects queued messages from senders and handlers that reuse theirs.
func clone(m transports.Message) transports.Message {
	m.Body, m.Header, m.History = bytes.Clone(m.Body), maps.Clone(m.Header), slices.Clone(m.History)
	return m
}
