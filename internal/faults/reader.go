package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// callerVariable makes this program a caller: it holds the broker's URL.
const callerVariable = "FAULTS_CALLER"

// reader: a caller stands still with replies on their way to it. The others do not
// notice, and what waits for it is bounded and does not stay for ever.
func reader(w *world) {
	b := w.startBroker()
	w.startAll(2)
	l := ordinary(w.caller(w.url))
	l.rate, l.mix, l.timeout = 100, []kind{call}, 10*time.Second
	t := w.begin(l)
	self, err := os.Executable()
	w.must(err)
	p := exec.Command(self)
	p.Env = append(os.Environ(), callerVariable+"="+w.url)
	w.must(w.bench.starter.start(p))
	defer func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	}()
	w.eventually(20*time.Second, "the other caller to be answered", func() bool {
		return len(w.ledger.ended("other-0-3")) > 0
	})
	w.must(p.Process.Signal(syscall.SIGSTOP))
	w.sleep(pick(w, 5*time.Second, 20*time.Second))
	var longest, unbounded int64
	for _, key := range b.client.Keys(context.Background(), "*").Val() {
		if strings.HasPrefix(key, "{journeyman}:r:") {
			longest = max(longest, b.client.LLen(context.Background(), key).Val())
			if ttl := b.client.PTTL(context.Background(), key).Val(); ttl <= 0 || ttl > 3*time.Minute {
				unbounded++
			}
		}
	}
	t.settle(2 * time.Second) // the stopped caller's replies do not go away
	c := t.judge()
	c.stranded -= int(longest)
	w.figure("faults", "a caller with 64 calls under way is stopped")
	w.figure("waiting for it", fmt.Sprintf("%d replies, in a list that expires", longest))
	c.show(w)
	w.zero("lost", c.lost)
	w.zero("expired", c.expired)
	w.zero("unresolved", c.unresolved)
	w.zero("stranded besides", c.stranded)
	w.want(longest > 0 && longest <= 64, "%d replies wait for the stopped caller, want 1 to 64", longest)
	w.want(unbounded == 0, "%d reply lists do not expire within 3 minutes", unbounded)
	w.want(c.stall < w.within(time.Second), "the others waited for %v", c.stall)
	w.stopAll(15 * time.Second)
}

// beCaller calls without end, 64 calls at a time.
func beCaller(url string) {
	via, err := redislist.Open(redislist.Options{URL: url, Catalogue: []string{service}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	c := client.New(via, service)
	var callers sync.WaitGroup
	for i := range 64 {
		callers.Go(func() {
			for n := 0; ; n++ {
				_ = c.Call(context.Background(), "work", map[string]any{"id": fmt.Sprintf("other-%d-%d", i, n), "ms": 200}, nil)
			}
		})
	}
	callers.Wait()
}
