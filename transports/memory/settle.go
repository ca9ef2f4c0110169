package memory

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// deadly is the number of deaths at which a message is given up.
const deadly = 4

// settle does what the outcome says, unless the message was given back meanwhile.
func (t *Transport) settle(d *delivery, o transports.Outcome) {
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	w, q, j := d.worker, d.queue, d.job
	if !w.running[j] {
		return
	}
	delete(w.running, j)
	final := o.Verdict == transports.Done || o.Verdict == transports.Bury
	if o.Keep > 0 && final {
		q.keep(j.claimKey(), bytes.Clone(o.Reply), o.Keep)
	}
	q.unclaim(j)

	switch o.Verdict {
	case transports.NotMine:
		if j.refused == nil {
			j.refused = map[*worker]bool{}
		}
		j.refused[w] = true
		q.putBack(j)
		return
	case transports.Retry:
		j.deaths = 0
		j.message.Failures++
		j.note(w, false, o.Err)
		q.again(j, o.After)
		return
	case transports.Suspect:
		j.deaths++
		j.note(w, true, o.Err)
		if j.deaths < deadly {
			q.again(j, 0)
			return
		}
		reason := fmt.Sprintf("%d workers died, or had to be replaced, while they ran it", j.deaths)
		q.bury(j, reason)
		j.answer(reply{err: fmt.Errorf("%w: %s", transports.ErrBuried, reason)})
		return
	case transports.Bury:
		j.message.Failures++
		j.note(w, false, o.Err)
		q.bury(j, cmp.Or(j.message.History[0].Error, "its handler did not say why"))
	case transports.Done:
	}
	q.release(j) // where it was answered and not run
	for _, m := range o.Follow {
		if m.ID == "" {
			m.ID = rand.Text()
		}
		m.Key = cmp.Or(m.Key, m.ID)
		m.Redelivered, m.Unread = m.Failures > 0, false
		q.put(&job{message: clone(m)})
	}
	for _, d := range o.Dead {
		q.buryAlong(d)
	}
	if o.Reply != nil {
		j.answer(reply{body: bytes.Clone(o.Reply)})
	}
}

// again has a message run once more.
func (q *queue) again(j *job, after time.Duration) {
	j.message.Redelivered = true
	j.refused = nil
	q.add(j, time.Now().Add(after))
}
