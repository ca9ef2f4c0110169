package main

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"
)

// label names the scenario to which a goroutine belongs; those that it starts inherit it.
const label = "scenario"

// labelled marks this goroutine and returns its context.
func (w *world) labelled() context.Context {
	ctx := pprof.WithLabels(w.ctx, pprof.Labels(label, w.name()))
	pprof.SetGoroutineLabels(ctx)
	return ctx
}

// nothingRuns wants no goroutine of a transport to be left once all callers are closed.
func (w *world) nothingRuns() {
	var left []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if left = w.transportGoroutines(); len(left) == 0 {
			return
		}
	}
	w.want(false, "%d kinds of goroutines are left of closed transports, such as %s", len(left), left[0])
}

// transportGoroutines tells where in a transport, or in the library under it, this
// scenario's goroutines are.
func (w *world) transportGoroutines() (frames []string) {
	for _, stack := range w.goroutines() {
		for frame := range strings.Lines(stack) {
			if strings.Contains(frame, "/journeyman/transports/") || strings.Contains(frame, "/amqp091-go.") {
				frames = append(frames, strings.TrimSpace(frame))
				break
			}
		}
	}
	return frames
}

// goroutines returns the stacks of this scenario's goroutines, each of which may be
// that of several.
func (w *world) goroutines() (stacks []string) {
	var text bytes.Buffer
	w.must(pprof.Lookup("goroutine").WriteTo(&text, 1))
	for stack := range strings.SplitSeq(text.String(), "\n\n") {
		if strings.Contains(stack, `"`+label+`":"`+w.name()+`"`) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// settledGoroutines returns how many goroutines this scenario has, once they are no
// more than a number, or else after some seconds.
func (w *world) settledGoroutines(wanted int) (n int) {
	w.until(5*time.Second, func() bool {
		n = 0
		for _, stack := range w.goroutines() { // "12 @ 0x…", after a title in the first
			before, _, _ := strings.Cut(stack, " @ ")
			count, _ := strconv.Atoi(before[strings.LastIndexByte(before, '\n')+1:])
			n += count
		}
		return n <= wanted
	})
	return n
}
