package redislist

// note notes whether the answer to a move was lost, so that messages may be in the
// backup list of which this process knows nothing. Once an answer has come, what
// the audit found until then is no longer to be expected.
func (w *worker) note(lost error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if lost != nil {
		w.cutOff = true
	} else {
		clear(w.adopted)
	}
}

// beginAudit returns whether there is reason for one. What is settled from now on
// may still be in the list that the audit sees.
func (w *worker) beginAudit() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cutOff || w.stopped || w.fenced {
		return false
	}
	w.recent = make(map[string]int)
	return true
}

// audit compares what the backup list holds with what this process knows. A
// message that is unknown in two audits in a row was moved there by a command
// whose answer never came: it is entered, and waits for takeFound. audit returns
// how many it found.
func (w *worker) audit(list []string) (found int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := make(map[string]int)
	for e := range w.entries {
		known[e.raw]++
	}
	surplus := make(map[string]int)
	seen := make(map[string]int)
	for _, raw := range list {
		seen[raw]++
		if seen[raw] > known[raw]+w.recent[raw] {
			surplus[raw]++
		}
	}
	for raw, n := range surplus {
		if w.stopped || w.fenced {
			break
		}
		for range min(n, w.unknown[raw]) {
			e := w.enterLocked(raw)
			e.frame.Redelivered = true
			w.adopted[raw]++
			w.found = append(w.found, e)
			found++
			decrement(surplus, raw)
		}
	}
	w.unknown, w.recent = surplus, nil
	w.cutOff = len(surplus) > 0
	return found
}

// stopFinding ends the audits and returns what they found and nobody began.
func (w *worker) stopFinding() []*entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	found := w.found
	w.found = nil
	return found
}

// takeFound returns up to n of the messages that were adopted and not begun.
func (w *worker) takeFound(n int) []*entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fenced {
		return nil
	}
	n = min(n, len(w.found))
	found := w.found[:n:n]
	w.found = w.found[n:]
	return found
}

func decrement(counts map[string]int, key string) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}
