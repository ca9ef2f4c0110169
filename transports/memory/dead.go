package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

func (q *queue) bury(j *job, reason string) {
	q.dead = append(q.dead, transports.DeadLetter{
		ID: j.message.ID, Message: j.message, Buried: time.Now(), Reason: reason, Deaths: j.deaths,
	})
}

// buryAlong adds a dead letter that leaves with the outcome of another message.
func (q *queue) buryAlong(d transports.DeadLetter) {
	m := clone(d.Message)
	m.ID = cmp.Or(m.ID, rand.Text())
	m.Key = cmp.Or(m.Key, m.ID)
	m.Enqueued, m.Unread = time.Now(), false
	q.dead = append(q.dead, transports.DeadLetter{
		ID: m.ID, Message: m, Buried: time.Now(), Reason: cmp.Or(d.Reason, "nobody said why"), Deaths: d.Deaths,
	})
}

// exhume removes one dead letter for each id, the oldest that has it, and returns them.
func (q *queue) exhume(ids []string) (found []transports.DeadLetter) {
	wanted := map[string]int{}
	for _, id := range ids {
		wanted[id]++
	}
	q.dead = slices.DeleteFunc(q.dead, func(d transports.DeadLetter) bool {
		if wanted[d.ID] == 0 {
			return false
		}
		wanted[d.ID]--
		found = append(found, d)
		return true
	})
	return found
}

// DeadLetters implements transports.DeadLetterQueue. visit may use the transport.
func (t *Transport) DeadLetters(ctx context.Context, service string, visit func(transports.DeadLetter) bool) error {
	var dead []transports.DeadLetter
	err := t.at(ctx, service, func(q *queue) {
		for _, d := range slices.Backward(q.dead) {
			d.Message = clone(d.Message)
			dead = append(dead, d)
		}
	})
	if err != nil {
		return fmt.Errorf("dead letters of %s: %w", service, err)
	}
	for _, d := range dead {
		if !visit(d) {
			break
		}
	}
	return nil
}

// RetryDead implements transports.DeadLetterQueue. Where several letters have an id,
// each time that it is given is for one of them, the oldest first.
func (t *Transport) RetryDead(ctx context.Context, service string, ids ...string) (n int, err error) {
	err = t.at(ctx, service, func(q *queue) {
		found := q.exhume(ids)
		n = len(found)
		for _, d := range found {
			m := d.Message
			m.Expires, m.NotBefore, m.Unique = time.Time{}, time.Time{}, ""
			m.Failures, m.Redelivered, m.Unread = 0, true, true
			q.put(&job{message: m})
		}
	})
	if err != nil {
		return 0, fmt.Errorf("retry dead letters of %s: %w", service, err)
	}
	return n, nil
}

// DeleteDead implements transports.DeadLetterQueue, with ids as in RetryDead.
func (t *Transport) DeleteDead(ctx context.Context, service string, ids ...string) (n int, err error) {
	err = t.at(ctx, service, func(q *queue) { n = len(q.exhume(ids)) })
	if err != nil {
		return 0, fmt.Errorf("delete dead letters of %s: %w", service, err)
	}
	return n, nil
}
