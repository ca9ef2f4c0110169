package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/transports"
)

// malformed: somebody sends what is no request. No worker dies of it, nobody's data is
// touched, and the others are served.
func malformed(w *world) {
	b := w.startBroker()
	w.startAll(2)
	l := w.ordinary(w.caller(w.url))
	l.rate, l.mix, l.timeout = 50, []kind{call}, 20*time.Second
	t := w.begin(l)
	sent := b.pester()
	sizes := w.sizes()
	w.sleep(2 * time.Second)
	t.settle(30 * time.Second)
	c := t.judge()
	w.figure("faults", fmt.Sprintf("%d messages that are none", sent))
	w.figure("lengths", sizes)
	c.show(w)
	c.demand(w)
	w.zero("calls expired", c.expired)
	w.zero("calls refused", c.refused)
	w.zero("calls answered with an error", c.answered)
	w.want(len(w.alive()) == 2, "%d of 2 workers are alive", len(w.alive()))
	w.figure("dead letters", len(b.deadLetters()))
	w.nobodyReaped()
	w.mu.Lock()
	peak := w.peak["worker"]
	w.mu.Unlock()
	w.want(peak < 400<<20, "a worker took %d MiB", peak>>20)
	w.finish()
}

// pester pushes what is no request into the queue, and what names other people's keys.
func (b *redisBroker) pester() (sent int) {
	w, ctx := b.world, context.Background()
	w.must(b.client.Set(ctx, "precious-secret", "mine", 0).Err())
	w.must(b.client.RPush(ctx, "precious-list", "mine").Err())
	w.cleanup(func() {
		w.want(b.client.Get(ctx, "precious-secret").Val() == "mine" && b.client.LLen(ctx, "precious-list").Val() == 1, "somebody's key was changed by a request that named it")
	})
	push := func(raw string) {
		sent++
		w.must(b.client.LPush(ctx, service, raw).Err())
	}
	for range pick(w, 300, 3000) {
		junk := make([]byte, w.chance.IntN(200))
		for i := range junk {
			junk[i] = byte(w.chance.UintN(256)) //nolint:gosec // it fits
		}
		push(string(junk))
		push(`{"jsonrpc":"2.0",` + string(junk) + `}`)
		push("Id: x\n" + string(junk) + "\n\n{}")
	}
	for _, raw := range append([]string{
		`{"jsonrpc":"2.0","method":"work","params":{"id":"m","ms":1},"id":"precious-secret"}`,
		`{"jsonrpc":"2.0","method":"rpc.ping","id":"precious-list"}`, "Id: a\nReply-To: precious-list\n\n" + `{"jsonrpc":"2.0","method":"rpc.ping","id":1}`,
		"Id: a\nReply-To: precious-secret\n\n" + `{"jsonrpc":"2.0","method":"rpc.ping","id":1}`,
		"Id: a\nReply-To: {journeyman}:r:nobody\n\n" + `{"jsonrpc":"2.0","method":"rpc.ping","id":1}`,
		"Deaths: 99999999999999\nId: b\n\n{}", "Deaths: -1\n\n{}", "Deaths: 1\n\n\xff", "Expires: 99999999999999999999\nId: c\n\n{}",
		"Failures: 9\nHistory: x\nHistory: 1 died\nUnique: u\nId: d\n\n{}", "Id: " + strings.Repeat("i", 1<<20) + "\n\n{}",
		strings.Repeat("H: h\n", 100_000) + "\n{}",
	}, odd()...) {
		push(raw)
	}
	return sent
}

// odd returns bodies that are no request, or more of one than anybody wants.
func odd() []string {
	return []string{
		"", " ", "\n", "{", "[", "[]", "{}", "null", "true", "7", `""`, "[null]", "[[]]", "\x00", "\xff\xfe{}",
		`{"jsonrpc":"2.0","method":7,"id":1}`, `{"jsonrpc":"2.0","method":"work","params":7,"id":"abcdefgh1"}`,
		`{"jsonrpc":"2.0","method":"work","params":{"id":7,"ms":"x"},"id":"abcdefgh2"}`,
		strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 100_000), strings.Repeat(" ", 1<<20),
		"[" + strings.TrimSuffix(strings.Repeat(`{"jsonrpc":"2.0","method":"rpc.ping","id":1},`, 10_000), ",") + "]",
		`{"jsonrpc":"2.0","method":"length","params":{"text":"` + strings.Repeat("b", 16<<20) + `"},"id":"abcdefgh3"}`,
	}
}

// sizes asks with texts of some lengths, the last of which is longer than is allowed.
func (w *world) sizes() string {
	c := client.New(w.caller(w.url), service, client.Timeout(20*time.Second))
	var said []string
	for _, mib := range []int{1, 7, 9} {
		got, err := client.Result[int](w.ctx, c, "length", map[string]string{"text": strings.Repeat("t", mib<<20)})
		if err != nil {
			said = append(said, fmt.Sprintf("%d MiB: %v", mib, err))
		} else {
			said = append(said, fmt.Sprintf("%d MiB: answered %d", mib, got))
		}
		w.want((err == nil && got == mib<<20) == (mib < 8), "a text of %d MiB: %d, %v", mib, got, err)
		w.want(mib < 8 || isTooLarge(err), "a text of %d MiB is refused by %v, want ErrTooLarge", mib, err)
	}
	return strings.Join(said, "; ")
}

func isTooLarge(err error) bool {
	return err != nil && strings.Contains(err.Error(), transports.ErrTooLarge.Error())
}
