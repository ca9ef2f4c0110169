package rabbitmq

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// A relay stands between a process and the broker, reads along, and can misbehave as
// networks and brokers do. Connections are counted from 1.
type relay struct {
	target   string
	listener net.Listener
	url      string
	serving  sync.WaitGroup
	over     chan struct{}

	mu         sync.Mutex
	open       map[net.Conn]bool // both ends of each
	dials      int
	refusing   bool
	gate       chan struct{} // closed while all is let through
	deaf       chan struct{} // closed while what the process sends is let through
	deliveries map[spot]string
	filling    map[spot]uint64 // by connection and channel: the tag of what is being delivered
	acks       []string
	loseAck    func(body string) bool // true: instead of this acknowledgement the broker sees the connection break
	unread     [2]uint16              // class and method: from there on nothing that comes on the connection is read
}

// A spot is where a message was delivered.
type spot struct {
	connection int
	channel    uint16
	tag        uint64
}

func newRelay(tb testing.TB, amqpURL string) *relay {
	tb.Helper()
	u, err := url.Parse(amqpURL)
	if err != nil {
		tb.Fatal("the URL cannot be read")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &relay{
		target: u.Host, listener: listener, over: make(chan struct{}), open: make(map[net.Conn]bool), gate: make(chan struct{}), deaf: make(chan struct{}),
		deliveries: make(map[spot]string), filling: make(map[spot]uint64),
	}
	close(r.gate)
	close(r.deaf)
	u.Host = listener.Addr().String()
	r.url = u.String()
	r.serving.Go(r.accept)
	tb.Cleanup(func() {
		close(r.over)
		_ = listener.Close()
		r.refuse(true)
		r.cut()
		r.serving.Wait()
	})
	return r
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		if tcp := client.(*net.TCPConn); tcp.SetReadBuffer(16<<10) != nil || tcp.SetLinger(0) != nil {
			_ = client.Close()
			continue
		}
		r.serving.Go(func() { r.carry(client) })
	}
}

// carry relays one connection.
func (r *relay) carry(client net.Conn) {
	defer client.Close()
	if !r.pass() || !r.admit(client) {
		return
	}
	broker, err := net.Dial("tcp", r.target)
	if err != nil {
		r.leave(client)
		return
	}
	defer broker.Close()
	if !r.admit(broker) {
		return
	}
	r.mu.Lock()
	r.dials++
	number := r.dials
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() {
		defer broker.Close()
		in := bufio.NewReader(client)
		if _, err := io.CopyN(broker, in, 8); err != nil { // AMQP 0 0 9 1
			return
		}
		r.pump(in, broker, func(f []byte) bool { return r.sent(number, f) })
	})
	both.Go(func() {
		defer client.Close()
		r.pump(bufio.NewReader(broker), client, func(f []byte) bool { return r.received(number, f) })
	})
	both.Wait()
	r.leave(client, broker)
}

// admit notes an end of a connection, unless the relay refuses those.
func (r *relay) admit(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.refusing {
		r.open[c] = true
	}
	return !r.refusing
}

func (r *relay) leave(ends ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range ends {
		delete(r.open, c)
	}
}

// pump passes frames on until there are none, or look says no.
func (r *relay) pump(from *bufio.Reader, to io.Writer, look func(frame []byte) bool) {
	for {
		// type, channel, size, payload, end
		head, err := from.Peek(7)
		if err != nil {
			return
		}
		frame := make([]byte, 7+binary.BigEndian.Uint32(head[3:])+1)
		if _, err := io.ReadFull(from, frame); err != nil {
			return
		}
		if !r.pass() || !look(frame) {
			return
		}
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}

// pass waits until the relay lets things through, false when that will not be.
func (r *relay) pass() bool {
	r.mu.Lock()
	gate := r.gate
	r.mu.Unlock()
	select {
	case <-gate:
		return true
	case <-r.over:
		return false
	}
}

const (
	methodFrame = 1
	bodyFrame   = 3
	basic       = 60
	basicDelive = 60
	basicAck    = 80
)

func methodOf(frame []byte) (class, method uint16, arguments []byte) {
	if frame[0] != methodFrame {
		return 0, 0, nil
	}
	return binary.BigEndian.Uint16(frame[7:]), binary.BigEndian.Uint16(frame[9:]), frame[11:]
}

// sent reads what the process sends.
func (r *relay) sent(connection int, frame []byte) bool {
	r.mu.Lock()
	deaf := r.deaf
	r.mu.Unlock()
	select {
	case <-deaf:
	case <-r.over:
	}
	class, method, arguments := methodOf(frame)
	r.mu.Lock()
	defer r.mu.Unlock()
	if frame[0] == methodFrame && r.unread == [2]uint16{class, method} {
		r.mu.Unlock()
		<-r.over
		r.mu.Lock()
		return false
	}
	if class != basic || method != basicAck {
		return true
	}
	last := spot{connection, binary.BigEndian.Uint16(frame[1:]), binary.BigEndian.Uint64(arguments)}
	settled := []spot{last}
	if multiple := arguments[8]&1 == 1; multiple {
		for s := range r.deliveries {
			if s.connection == last.connection && s.channel == last.channel && s.tag < last.tag {
				settled = append(settled, s)
			}
		}
	}
	slices.SortFunc(settled, func(a, b spot) int { return int(a.tag) - int(b.tag) })
	for _, s := range settled {
		body, ok := r.deliveries[s]
		if !ok {
			body = "nothing that was delivered"
		}
		if r.loseAck != nil && r.loseAck(body) {
			return false
		}
		delete(r.deliveries, s)
		r.acks = append(r.acks, body)
	}
	return true
}

// received reads what the broker sends.
func (r *relay) received(connection int, frame []byte) bool {
	channel := spot{connection: connection, channel: binary.BigEndian.Uint16(frame[1:])}
	class, method, arguments := methodOf(frame)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case class == basic && method == basicDelive:
		tag := binary.BigEndian.Uint64(arguments[1+arguments[0]:]) // after the consumer's
		r.filling[channel] = tag
		r.deliveries[spot{connection, channel.channel, tag}] = ""
	case frame[0] == bodyFrame && r.filling[channel] != 0:
		r.deliveries[spot{connection, channel.channel, r.filling[channel]}] += string(frame[7 : len(frame)-1])
	}
	return true
}

// acked returns the bodies of what the process has acknowledged, as the broker
// understands it, in order.
func (r *relay) acked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.acks)
}

// dialed returns how many connections there have been.
func (r *relay) dialed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dials
}

// cut breaks all connections.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		_ = c.Close()
	}
}

// refuse has the relay close what connects to it, or take it again.
func (r *relay) refuse(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusing = on
}

// kill takes the broker away from the process for good, as if that had been killed.
func (r *relay) kill() {
	r.refuse(true)
	r.cut()
}

// freeze has nothing pass any more, though all stays connected, until thaw is called.
func (r *relay) freeze() (thaw func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gate := make(chan struct{})
	r.gate = gate
	return sync.OnceFunc(func() { close(gate) })
}

// deafen has nothing that the process sends be read any more; what the broker sends still
// comes.
func (r *relay) deafen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = make(chan struct{})
}

// ignore has a request, by class and method, never be answered, nor anything that the
// process sends on the same connection later.
func (r *relay) ignore(class, method uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread = [2]uint16{class, method}
}

// losing has the connection break instead of the first acknowledgement of a body.
func (r *relay) losing(body string) (lost <-chan struct{}) {
	c := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loseAck = func(b string) bool {
		if b != body {
			return false
		}
		r.loseAck = nil
		close(c)
		return true
	}
	return c
}
