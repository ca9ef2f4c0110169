package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

func decode(raw json.RawMessage, into any) error { return json.Unmarshal(raw, into) }

// counts are what the oracle found. The words are Jepsen's.
type counts struct {
	attempted    int
	acknowledged int // the broker said that it has it, or a reply proves it
	refused      int // the caller was told that nothing was handed over
	unknown      int // the caller was told that nobody knows
	ok           int // calls with the right reply, notifications that ran to their end
	answered     int // calls with an error for a reply
	expired      int // calls that ended at their deadline
	dead         int // in the dead-letter list
	gone         int // died with the worker that had accepted them, where no broker keeps them
	lost         int // acknowledged, neither expired nor dead, and never ran to its end
	started      int // requests that were started more than once
	duplicated   int // requests that ran to their end more than once
	unexpected   int // replies with another request's content, or of what never ran
	unresolved   int // calls that had not come back a second after their deadline
	second       int // replies for calls that had theirs
	stranded     int // messages left in lists of the broker after the end
	overrun      time.Duration
	stall        time.Duration // the longest time, while callers asked, in which nothing ended
	missing      []string
}

// judge compares what callers were told with what workers wrote down.
func (t *traffic) judge() counts {
	w := t.world
	dead := w.deadIDs()
	var c counts
	for _, j := range t.all() {
		c.attempted++
		ran := len(w.ledger.ended(j.id))
		if len(w.ledger.started(j.id)) > 1 {
			c.started++
		}
		if ran > 1 {
			c.duplicated++
		}
		if !j.due.IsZero() && !j.back.IsZero() {
			c.overrun = max(c.overrun, j.back.Sub(j.due))
		}
		switch {
		case j.back.IsZero(), !j.due.IsZero() && j.back.After(j.due.Add(t.world.within(time.Second))):
			c.unresolved++
		case j.err == nil && j.kind == notify:
			c.acknowledged++
			switch {
			case ran > 0:
				c.ok++
			case dead[j.id]:
				c.dead++
			case t.gone(j):
				c.gone++
			default:
				c.lost++
				c.missing = append(c.missing, j.id)
			}
		case j.err == nil:
			c.acknowledged++
			if c.ok++; j.reply.ID != j.id || ran == 0 {
				c.ok--
				c.unexpected++
				c.missing = append(c.missing, j.id)
			}
		case errors.Is(j.err, transports.ErrBuried):
			c.acknowledged++
			c.dead++
		case refused(j.err):
			c.refused++
		case errors.Is(j.err, transports.ErrUnknownOutcome):
			c.unknown++
		case expired(j.err):
			c.expired++
		default:
			c.answered++
			c.missing = append(c.missing, fmt.Sprintf("%s (%v)", j.id, j.err))
		}
	}
	c.second = w.lateReplies() - t.before
	c.stall = w.ledger.stall(t.began, t.stopped)
	for _, p := range w.held() {
		c.stranded += int(p.n)
		c.missing = append(c.missing, fmt.Sprintf("%d in %s, such as %.100q", p.n, p.key, w.broker.sample(p.key)))
	}
	return c
}

// gone reports whether a notification died with the worker that had it. Only without
// a broker is that no loss: the worker said that it has it, and nobody else did. One
// that was not begun may have been on its way to a handler.
func (t *traffic) gone(j job) bool {
	if t.world.wire.queues {
		return false
	}
	for _, d := range t.deaths {
		begun := slices.Contains(d.held, j.id)
		between := len(t.world.ledger.started(j.id)) == 0 && j.sent.Before(d.at) && j.sent.After(d.at.Add(-time.Second))
		if begun || between {
			return true
		}
	}
	return false
}

// show adds the counts to the report.
func (c counts) show(w *world) {
	w.figure("requests", fmt.Sprintf("attempted %d, acknowledged %d, ok %d, refused %d, unknown %d, expired %d, answered with an error %d, dead %d",
		c.attempted, c.acknowledged, c.ok, c.refused, c.unknown, c.expired, c.answered, c.dead))
	w.figure("faults seen", fmt.Sprintf("lost %d, started twice %d, duplicated %d, unexpected %d, unresolved %d, late or second replies %d, stranded %d",
		c.lost, c.started, c.duplicated, c.unexpected, c.unresolved, c.second, c.stranded))
	if !w.wire.queues {
		w.figure("accepted by a worker that died", c.gone)
	}
	w.figure("worst stall", c.stall)
	if len(c.missing) > 0 {
		slices.Sort(c.missing)
		w.figure("for example", strings.Join(c.missing[:min(5, len(c.missing))], ", "))
	}
}

// demand wants what every scenario promises.
func (c counts) demand(w *world) {
	w.want(c.attempted > 0 && c.ok > 0, "nothing was attempted, or nothing succeeded")
	w.zero("lost", c.lost)
	w.zero("unexpected", c.unexpected)
	w.zero("unresolved", c.unresolved)
	w.zero("stranded", c.stranded)
}

// demandOnce wants nothing to have been started twice, where a worker is dead only once
// it was silent for a lease. Elsewhere one whose connection breaks counts as dead, and
// may well be at the end of its request.
func (c counts) demandOnce(w *world) {
	if w.wire.leases {
		w.zero("requests executed twice", c.started)
	}
}

// lateReplies counts the replies that found no call of any caller waiting.
func (w *world) lateReplies() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, caller := range w.callers {
		n += lateReplies(caller)
	}
	return n
}

// stall returns the longest time between two ends from one moment to another.
func (l *ledger) stall(from, to time.Time) (longest time.Duration) {
	l.update()
	l.mu.Lock()
	defer l.mu.Unlock()
	at := []time.Time{from, to}
	for _, events := range l.ends {
		for _, e := range events {
			if e.at.After(from) && e.at.Before(to) {
				at = append(at, e.at)
			}
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	for i := range at[1:] {
		longest = max(longest, at[i+1].Sub(at[i]))
	}
	return longest
}

// deadIDs returns the requests whose dead letters lie there.
func (w *world) deadIDs() map[string]bool {
	ids := map[string]bool{}
	for _, body := range w.broker.deadLetters() {
		for _, id := range idsIn([]byte(body)) {
			ids[id] = true
		}
	}
	return ids
}

// idsIn returns what a single request of the bench is called; nothing of others.
func idsIn(body []byte) []string {
	var request struct {
		Params struct {
			ID string `json:"id"`
		} `json:"params"`
	}
	if json.Unmarshal(body, &request) != nil || request.Params.ID == "" {
		return nil
	}
	return []string{request.Params.ID}
}

// effectsOf returns how often each once-request had its effect.
func (w *world) effectsOf() map[string]int {
	count := map[string]int{}
	entries, err := os.ReadDir(w.effects)
	w.must(err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "effect-") {
			id, err := os.ReadFile(filepath.Join(w.effects, e.Name()))
			w.must(err)
			count[string(id)]++
		}
	}
	return count
}
