package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// withRepeats has callers ask again what was answered, under the same key.
func withRepeats(l load) load {
	l.repeat = true
	return l
}

// onceOnly wants each deduplicated request to have had its effect exactly once, and
// repeated calls to be given the first reply.
func (w *world) onceOnly(t *traffic) {
	effects := w.effectsOf()
	asked, never, twice, stored, ranAgain, rerun, other := 0, 0, 0, 0, 0, 0, 0
	for _, j := range t.all() {
		if j.kind != once || j.err != nil || j.back.IsZero() {
			continue
		}
		asked++
		switch n := effects[j.id]; {
		case n == 0:
			never++
		case n > 1:
			twice++
		}
		for i, e := range w.ledger.started(j.id) {
			switch {
			case e.at.After(j.back):
				ranAgain++
			case i > 0:
				rerun++ // its worker was killed before the reply was kept
			}
		}
		for _, reply := range j.again {
			if reply == j.reply {
				stored++
			} else if other++; other == 1 {
				w.figure("for example", fmt.Sprintf("%s was answered %v, and again %v", j.id, j.reply, reply))
			}
		}
	}
	w.figure("deduplicated", fmt.Sprintf("%d requests, effects missing %d, doubled %d; %d were run again after a crash; %d repeated calls answered from the store, %d executed",
		asked, never, twice, rerun, stored, ranAgain))
	w.zero("deduplicated requests without effect", never)
	w.zero("deduplicated requests with two effects", twice)
	w.zero("repeated calls that were executed", ranAgain)
	w.zero("repeated calls with another answer", other)
	w.want(asked > 0, "no deduplicated request succeeded")
}

// twice: the same idempotency key comes from one caller and from two, at the same
// time and later, and is executed once. Without a key, the same JSON-RPC id from two
// callers is two requests.
func twice(w *world) {
	w.startRedis()
	w.startAll(2)
	one, two := w.caller(w.url), w.caller(w.url)
	rounds := pick(w, 10, 50)
	executed, different, failed := 0, 0, 0
	for n := range rounds {
		key := fmt.Sprintf("twice-%d", n)
		params := map[string]any{"id": key, "ms": 300}
		type result struct {
			reply done
			err   error
		}
		results := make(chan result, 2)
		for _, via := range []transports.Transport{one, two} {
			go func() {
				ctx, cancel := context.WithTimeout(w.ctx, 30*time.Second)
				defer cancel()
				reply, err := callOnce(ctx, via, key, params)
				results <- result{reply, err}
			}()
		}
		a, b := <-results, <-results
		ctx, cancel := context.WithTimeout(w.ctx, 30*time.Second)
		third, err := callOnce(ctx, one, key, params) // and later, from one that asked before
		cancel()
		if err := errors.Join(a.err, b.err, err); err != nil {
			failed++
			w.say("%v", err)
			continue
		}
		if a.reply != b.reply || a.reply != third {
			different++
		}
		if len(w.ledger.started(key)) > 1 {
			executed++
		}
	}
	w.figure("same key", fmt.Sprintf("%d times from two callers at once, and again from one: executed more than once %d, answers that differ %d, failed %d", rounds, executed, different, failed))
	w.zero("keys executed more than once", executed)
	w.zero("keys with different answers", different)
	w.zero("keys whose calls failed", failed)

	right := 0
	for n := range rounds {
		answers := make(chan bool, 2)
		for i, via := range []transports.Transport{one, two} {
			go func() {
				ctx, cancel := context.WithTimeout(w.ctx, 30*time.Second)
				defer cancel()
				id := fmt.Sprintf("plain-%d-%d", n, i)
				body, err := jsonrpc.EncodeCall([]byte(`"the-same-id"`), "work", map[string]any{"id": id, "ms": 5})
				w.want(err == nil, "%v", err)
				raw, err := via.Call(ctx, service, transports.Message{Body: body})
				answers <- err == nil && strings.Contains(string(raw), id)
			}()
		}
		for range 2 {
			if <-answers {
				right++
			}
		}
	}
	w.figure("same JSON-RPC id", fmt.Sprintf("%d of %d calls from two callers at once got their own answers", right, 2*rounds))
	w.want(right == 2*rounds, "%d of %d calls with the same JSON-RPC id got their own answers", right, 2*rounds)
	w.finish()
}
