package main

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A ledger is what the workers wrote down, read as it grows.
type ledger struct {
	path string

	mu      sync.Mutex // guards what follows
	read    int64
	starts  map[string][]event // by request
	ends    map[string][]event
	running map[int]map[string]bool // by process: started, not ended
	order   []string                // requests as they started for the first time
}

type event struct {
	pid int
	at  time.Time
}

func newLedger(path string) *ledger {
	return &ledger{path: path, starts: map[string][]event{}, ends: map[string][]event{}, running: map[int]map[string]bool{}}
}

// update reads what has been added. A line without its end is left for later.
func (l *ledger) update() {
	l.mu.Lock()
	defer l.mu.Unlock()
	file, err := os.Open(l.path)
	if err != nil {
		return // nobody has written yet
	}
	defer file.Close()
	if _, err := file.Seek(l.read, io.SeekStart); err != nil {
		return
	}
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		l.read += int64(len(line))
		l.addLocked(strings.Fields(line))
	}
}

func (l *ledger) addLocked(words []string) {
	if len(words) != 4 {
		return
	}
	what, id := words[0], words[1]
	pid, _ := strconv.Atoi(words[2])
	micros, _ := strconv.ParseInt(words[3], 10, 64)
	e := event{pid, time.UnixMicro(micros)}
	switch what {
	case "start":
		if len(l.starts[id]) == 0 {
			l.order = append(l.order, id)
		}
		l.starts[id] = append(l.starts[id], e)
		if l.running[pid] == nil {
			l.running[pid] = map[string]bool{}
		}
		l.running[pid][id] = true
	case "end":
		l.ends[id] = append(l.ends[id], e)
		delete(l.running[pid], id)
	case "stop":
		delete(l.running[pid], id)
	}
}

// runningAt returns the requests that a process has started and not ended.
func (l *ledger) runningAt(pid int) []string {
	l.update()
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for id := range l.running[pid] {
		ids = append(ids, id)
	}
	return ids
}

func (l *ledger) started(id string) []event { return l.events(id, true) }
func (l *ledger) ended(id string) []event   { return l.events(id, false) }

func (l *ledger) events(id string, start bool) []event {
	l.update()
	l.mu.Lock()
	defer l.mu.Unlock()
	if start {
		return l.starts[id]
	}
	return l.ends[id]
}
