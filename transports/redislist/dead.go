package redislist

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// One page of dead letters; a letter alone may be as large as a message.
const (
	pageLetters = 256
	pageBytes   = 1 << 20
)

// Directions through the dead-letter list, see letters.lua.
const (
	newest, toOlder = 0, 1
	oldest, toNewer = -1, -1
)

var _ transports.DeadLetterQueue = (*Transport)(nil)

// DeadLetters implements transports.DeadLetterQueue.
func (t *Transport) DeadLetters(ctx context.Context, service string, visit func(transports.DeadLetter) bool) error {
	doing := "list dead letters of " + service
	if err := t.checkKnown(ctx, service); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	// Letters that others take out meanwhile move those that were visited into the
	// next page.
	visited, seed := make(map[uint64]struct{}), maphash.MakeSeed()
	for place, more := newest, true; more; more = place != 0 {
		page, next, err := t.letters(ctx, service, place, toOlder)
		if err != nil {
			return t.refusal(doing, err)
		}
		for _, l := range page {
			sum := maphash.String(seed, l.raw)
			if _, again := visited[sum]; again {
				continue
			}
			visited[sum] = struct{}{}
			if !visit(t.public(l.detached())) {
				return nil
			}
		}
		place = next
	}
	return nil
}

// RetryDead implements transports.DeadLetterQueue. Letters that share an id count
// one by one: an id that is given twice puts two of them back. The oldest goes
// first, as it did the first time. The limit of the queue does not apply.
func (t *Transport) RetryDead(ctx context.Context, service string, ids ...string) (int, error) {
	return t.unbury(ctx, "retry dead letters of "+service, service, ids, func(l letter) string {
		return t.revived(l).encode()
	})
}

// DeleteDead implements transports.DeadLetterQueue, with ids as in RetryDead.
func (t *Transport) DeleteDead(ctx context.Context, service string, ids ...string) (int, error) {
	return t.unbury(ctx, "delete dead letters of "+service, service, ids, func(letter) string { return "" })
}

// A letter is a dead letter on the wire.
type letter struct {
	raw string
	frame
}

// id tells a letter apart also where its message has none, as bare ones do.
func (l *letter) id() string {
	if id := cmp.Or(l.ID, l.nonce); id != "" {
		return id
	}
	sum := sha256.Sum256([]byte(l.raw))
	return hex.EncodeToString(sum[:8])
}

// detached returns a letter whose strings are no part of raw: whoever remembers ids
// would keep every body in memory with them.
func (l *letter) detached() letter {
	out := *l
	if head := l.raw[:len(l.raw)-len(l.Body)]; head != "" {
		out.frame = decode(strings.Clone(head))
		out.Body = l.Body
	}
	return out
}

// public returns a letter as callers of this package see it, with times by their clock.
func (t *Transport) public(l letter) transports.DeadLetter {
	m := l.Message
	if !m.Enqueued.IsZero() {
		m.Enqueued = t.clock.toLocal(m.Enqueued)
	}
	if !m.Expires.IsZero() {
		m.Expires = t.clock.toLocal(m.Expires)
	}
	m.History = slices.Clone(m.History)
	for i := range m.History {
		m.History[i].At = t.clock.toLocal(m.History[i].At)
	}
	out := transports.DeadLetter{ID: l.id(), Message: m, Buried: l.buried, Reason: l.err, Deaths: l.deaths}
	if !out.Buried.IsZero() {
		out.Buried = t.clock.toLocal(out.Buried)
	}
	return out
}

// revived returns the message that a letter becomes when it is to be run again.
func (t *Transport) revived(l letter) *frame {
	f := &frame{Message: l.Message}
	f.ID = l.id() // also of a bare one, which so is answered nowhere
	f.Expires, f.Enqueued, f.due = time.Time{}, t.clock.now(), time.Time{}
	f.Unique, f.Failures = "", 0
	f.Redelivered = true // as far as the handler is concerned, it may have run before
	f.Unread = true      // whoever waited for the reply has been told
	return f
}

// letters reads one page that begins at place. next is where the following one
// begins, 0 if there is none.
func (t *Transport) letters(ctx context.Context, service string, place, step int) (page []letter, next int, err error) {
	var answer []any
	err = t.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
		return p.Eval(ctx, lettersSource, []string{t.keys.dead(service)}, place, step, pageLetters, pageBytes)
	}, func(cmd redis.Cmder) { answer, _ = cmd.(*redis.Cmd).Slice() })
	if err != nil {
		return nil, 0, err
	}
	for i, v := range answer {
		switch v := v.(type) {
		case int64:
			if i == 0 {
				next = int(v)
			}
		case string:
			page = append(page, letter{v, decode(v)})
		}
	}
	return page, next, nil
}

// unbury takes the letters called ids out of the list. What instead makes of one
// goes into the queue, unless it is "".
func (t *Transport) unbury(ctx context.Context, doing, service string, ids []string, instead func(letter) string) (found int, err error) {
	if err := t.checkKnown(ctx, service); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	wanted := make(map[string]int)
	for _, id := range ids {
		wanted[id]++
	}
	// Somebody else who takes letters out may have moved some past this reader's
	// place, so it looks until it finds no more.
	for before := -1; before < found && found < len(ids); {
		before = found
		n, err := t.unburyOnce(ctx, service, wanted, len(ids)-found, instead)
		found += n
		if err != nil {
			return found, t.refusal(doing, err)
		}
	}
	return found, nil
}

// unburyOnce goes through the list once, until it has found as many as are
// wanted, and takes those out of wanted.
func (t *Transport) unburyOnce(ctx context.Context, service string, wanted map[string]int, most int, instead func(letter) string) (found int, err error) {
	for place, more := oldest, true; more && found < most; more = place != 0 {
		page, next, err := t.letters(ctx, service, place, toNewer)
		if err != nil {
			return found, err
		}
		var chosen []letter
		for _, l := range page {
			if id := l.id(); wanted[id] > 0 {
				wanted[id]--
				chosen = append(chosen, l)
			}
		}
		gone, err := t.takeOut(ctx, service, chosen, instead)
		for _, ok := range gone {
			if ok {
				found++
				if next != 0 {
					next++ // the letters beyond have moved
				}
			}
		}
		if err != nil {
			return found, err
		}
		place = next
	}
	return found, nil
}

// takeOut removes letters from the list and says of each whether it was there. With
// an error it may say less.
func (t *Transport) takeOut(ctx context.Context, service string, letters []letter, instead func(letter) string) (gone []bool, err error) {
	keys := []string{t.keys.dead(service), t.keys.queue(service)}
	for len(letters) > 0 {
		batch, _ := takeSome(&letters, 0, func(l letter) int { return 2 * len(l.raw) })
		args := make([]any, 0, 2*len(batch))
		for _, l := range batch {
			args = append(args, l.raw, instead(l))
		}
		var answer []int64
		err := t.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
			return p.Eval(ctx, unburySource, keys, args...)
		}, func(cmd redis.Cmder) { answer, _ = cmd.(*redis.Cmd).Int64Slice() })
		if err != nil {
			return gone, err
		}
		for _, n := range answer {
			gone = append(gone, n == 1)
		}
	}
	return gone, nil
}
