package main

import (
	"bytes"
	"net"
	"sync"
	"time"
)

// A tap is a proxy in front of the broker that recognises what passes. It can lose
// the answer to one command, which toxiproxy cannot, and turn everybody away.
type tap struct {
	listener net.Listener
	broker   string
	url      string

	mu     sync.Mutex // guards what follows
	token  []byte     // of what is to be lost; nil: nothing
	up     bool       // the token is on its way to the broker; its answer is lost, not itself
	caught chan struct{}
	down   bool
	tries  []time.Time
	conns  map[net.Conn]bool
}

func (w *world) tap() *tap {
	t := &tap{listener: w.listen(), broker: w.broker.addr(), conns: map[net.Conn]bool{}}
	t.url = through(w.url, t.listener.Addr().String())
	w.cleanup(func() {
		_ = t.listener.Close()
		t.cut()
	})
	go t.accept()
	return t
}

func (t *tap) accept() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return
		}
		t.mu.Lock()
		t.tries = append(t.tries, time.Now())
		down := t.down
		t.mu.Unlock()
		if down {
			_ = client.Close()
			continue
		}
		broker, err := net.Dial("tcp", t.broker)
		if err != nil {
			_ = client.Close()
			continue
		}
		t.mu.Lock()
		t.conns[client], t.conns[broker] = true, true
		t.mu.Unlock()
		var deaf bool // set by the first direction, read by the second, under t.mu
		go t.pass(client, broker, true, &deaf)
		go t.pass(broker, client, false, &deaf)
	}
}

// pass copies one direction until the connection ends. deaf has the answers lost.
func (t *tap) pass(from, to net.Conn, up bool, deaf *bool) {
	defer func() {
		_ = from.Close()
		_ = to.Close()
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.conns, from)
		delete(t.conns, to)
	}()
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		t.mu.Lock()
		if t.token != nil && t.up == up && bytes.Contains(buffer[:n], t.token) {
			t.token = nil
			*deaf = true
			close(t.caught)
			// The broker gets the time to do what it was told to.
			time.AfterFunc(200*time.Millisecond, func() { _ = from.Close(); _ = to.Close() })
		}
		lost := *deaf && !up
		t.mu.Unlock()
		if lost {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// lose has the next message that holds the token lose its connection: with up the
// message reaches the broker, whose answer is lost; otherwise it is itself the
// answer that is lost. The channel is closed when that has happened.
func (t *tap) lose(token string, up bool) (caught <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.up, t.caught = []byte(token), up, make(chan struct{})
	return t.caught
}

// cut closes all connections.
func (t *tap) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		_ = c.Close()
	}
}

// turnAway closes all connections, and each new one at once, until it is ended by
// letIn, which returns when attempts were made.
func (t *tap) turnAway() {
	t.mu.Lock()
	t.down, t.tries = true, nil
	t.mu.Unlock()
	t.cut()
}

func (t *tap) letIn() (tries []time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = false
	return t.tries
}
