package runner

import (
	"fmt"
	"io"
	"time"
)

// watch shows on a terminal how far do is with the benchmark.
func (a *app) watch(b *benchmark, do func()) {
	if !isTerminal(a.sys.Stderr) {
		do()
		return
	}
	done, cleared := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(cleared)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		b.progress(a.sys.Stderr, tick.C, done)
	}()
	do()
	close(done)
	<-cleared
}

// progress shows one line, a new one at each tick, and takes it away in the end.
func (b *benchmark) progress(w io.Writer, tick <-chan time.Time, done <-chan struct{}) {
	const clearLine = "\r\x1b[K"
	begun := time.Now()
	for {
		select {
		case <-done:
			fmt.Fprint(w, clearLine)
			return
		case <-tick:
			fmt.Fprint(w, clearLine+b.stage(time.Since(begun)))
		}
	}
}

// stage says how far it is after some time.
func (b *benchmark) stage(after time.Duration) string {
	made := b.made.Load()
	at := max(after-b.plan.Warmup, 0).Truncate(100 * time.Millisecond)
	switch {
	case after < b.plan.Warmup:
		return "warming up"
	case b.plan.Calls > 0:
		return fmt.Sprintf("%s of %s calls", grouped(made), grouped(int64(b.plan.Calls)))
	case at >= b.plan.Window:
		return "waiting for the calls under way"
	}
	return fmt.Sprintf("%s of %s, %s calls", at, b.plan.Window, grouped(made))
}
