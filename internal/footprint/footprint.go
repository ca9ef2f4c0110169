// Package footprint makes a process smaller that has started and waits for work.
package footprint

import "time"

// settled is how long after its start a process has what it needs: connections are made,
// and code that ran once will not run again.
const settled = 5 * time.Second

// Settle gives back, a few seconds from now, what the start alone needed, unless stop is
// called before.
func Settle() (stop func()) {
	timer := time.AfterFunc(settled, func() { _ = giveBackCode() }) // in vain it changes nothing
	return func() { timer.Stop() }
}
