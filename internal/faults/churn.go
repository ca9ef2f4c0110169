package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// churn: processes come, call once and go, every other one by kill -9 with its call
// under way. None of them leaves a queue behind.
func churn(w *world) {
	b := w.startNode()
	// What the transport asks for is 5 minutes; of it and a policy the shorter counts. A
	// policy would do alone, so that the transport has asked is looked at besides.
	const expiry = 5 * time.Second
	b.node.Ctl("set_policy", "short", "^journeyman\\.reply\\.", fmt.Sprintf(`{"expires":%d}`, expiry.Milliseconds()), "--apply-to", "queues")
	w.startAll(2)
	before := len(brokertest.Queues(b.host, b.url))
	total := pick(w, 100, 1000)
	var answered, killed, wrong atomic.Int64
	most, eternal := 0, 0
	places := make(chan struct{}, 8)
	var running sync.WaitGroup
	for n := range total {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			id := fmt.Sprintf("churn-%d", n)
			ms := 5
			if n%2 == 1 {
				ms = 300
			}
			out, err := w.short(id, ms, n%2 == 1)
			switch {
			case n%2 == 1 && err != nil:
				killed.Add(1)
			case err == nil && strings.Contains(out, id):
				answered.Add(1)
			default:
				wrong.Add(1)
				w.say("%s: %v: %s", id, err, out)
			}
		})
		if n%50 == 49 {
			most = max(most, len(brokertest.Queues(b.host, b.url))-before)
			eternal = max(eternal, b.replies().eternal)
		}
	}
	running.Wait()
	ended := time.Now()
	left := -1
	w.until(w.within(30*time.Second), func() bool {
		left = len(brokertest.Queues(b.host, b.url)) - before
		return left <= 0
	})
	took := time.Since(ended)
	w.figure("faults", fmt.Sprintf("%d processes that call once: %d answered, %d killed with their call under way", total, answered.Load(), killed.Load()))
	w.figure("queues", fmt.Sprintf("%d more at most while they ran, %d more %v after the last had ended, with an expiry of %v", most, left, took.Round(time.Millisecond), expiry))
	w.zero("calls that failed otherwise", int(wrong.Load()))
	w.want(killed.Load() > int64(total)/4, "only %d processes were killed", killed.Load())
	w.want(most > 0, "no process had a queue, so nothing was shown")
	w.zero("queues that expire by the policy alone", eternal)
	w.zero("queues left behind", left)
	w.until(10*time.Second, func() bool { return len(b.holding()) == 0 })
	w.want(len(b.holding()) == 0, "left in the broker: %v", b.holding())
	w.finish()
}

// short runs one process that calls once; with end it is killed when its request has
// started.
func (w *world) short(id string, ms int, end bool) (out string, err error) {
	p := exec.Command(w.bench.binary, "call", service, "work", fmt.Sprintf(`{"id":%q,"ms":%d}`, id, ms))
	p.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "LEDGER=" + w.ledger.path, "EFFECTS=" + w.effects, "JOURNEYMAN_URL=" + w.url}
	p.Dir = w.dir
	var text strings.Builder
	p.Stdout, p.Stderr = &text, &text
	if err := w.bench.starter.start(p); err != nil {
		return "", err
	}
	if end {
		for deadline := time.Now().Add(20 * time.Second); len(w.ledger.started(id)) == 0 && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		_ = p.Process.Signal(syscall.SIGKILL)
	}
	err = p.Wait()
	return text.String(), err
}
