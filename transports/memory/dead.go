package memory

import (
	"context"
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

// exhume removes dead letters and returns them with the number of ids found.
func (q *queue) exhume(ids []string) (found []transports.DeadLetter, n int) {
	seen := map[string]bool{}
	q.dead = slices.DeleteFunc(q.dead, func(d transports.DeadLetter) bool {
		if !slices.Contains(ids, d.ID) {
			return false
		}
		found = append(found, d)
		seen[d.ID] = true
		return true
	})
	return found, len(seen)
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

// RetryDead implements transports.DeadLetterQueue.
func (t *Transport) RetryDead(ctx context.Context, service string, ids ...string) (n int, err error) {
	err = t.at(ctx, service, func(q *queue) {
		var found []transports.DeadLetter
		found, n = q.exhume(ids)
		for _, d := range found {
			m := d.Message
			m.Expires, m.NotBefore, m.Unique = time.Time{}, time.Time{}, ""
			m.Failures, m.Redelivered = 0, true
			q.put(&job{message: m})
		}
	})
	if err != nil {
		return 0, fmt.Errorf("retry dead letters of %s: %w", service, err)
	}
	return n, nil
}

// DeleteDead implements transports.DeadLetterQueue.
func (t *Transport) DeleteDead(ctx context.Context, service string, ids ...string) (n int, err error) {
	err = t.at(ctx, service, func(q *queue) { _, n = q.exhume(ids) })
	if err != nil {
		return 0, fmt.Errorf("delete dead letters of %s: %w", service, err)
	}
	return n, nil
}
