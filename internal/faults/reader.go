package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/client"
)

// callerVariable makes this program a caller: it holds the broker's URL.
const callerVariable = "FAULTS_CALLER"

// reader: a caller stands still with replies on their way to it. The others do not
// notice, and what waits for it is bounded and does not stay for ever.
func reader(w *world) {
	b := w.startBroker()
	w.startAll(2)
	l := w.ordinary(w.caller(w.url))
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
	waiting := b.replies()
	t.settle(2 * time.Second) // the stopped caller's replies do not go away
	c := t.judge()
	c.stranded -= waiting.most
	w.figure("faults", "a caller with 64 calls under way is stopped")
	w.figure("waiting for it", fmt.Sprintf("%d replies, which expire", waiting.most))
	c.show(w)
	w.zero("lost", c.lost)
	w.zero("expired", c.expired)
	w.zero("unresolved", c.unresolved)
	w.zero("stranded besides", c.stranded)
	w.want(waiting.most > 0 && waiting.most <= waiting.may, "%d replies wait for the stopped caller, want 1 to %d", waiting.most, waiting.may)
	w.want(waiting.eternal == 0, "%d lists or queues of replies do not go away by themselves", waiting.eternal)
	w.want(c.stall < w.within(time.Second), "the others waited for %v", c.stall)
	w.finish()
}

// beCaller calls without end, 64 calls at a time.
func beCaller(url string) {
	via, err := open(url, "other", slog.New(slog.DiscardHandler))
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
