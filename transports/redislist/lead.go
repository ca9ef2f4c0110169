package redislist

import (
	"context"
	"time"
)

// A call that comes alone leads: its own goroutine sends the request, in one write with
// the pop for the reply, and reads what comes. To wake others for that, and be woken by
// them, would cost a lone call a tenth of its speed. Whatever ends its waiting before, it
// leaves the rest to the reader.

// mostLed is how large a request may be, in bytes, so that to write it never waits for
// the broker: nothing else can be on its way to it.
const mostLed = 4 << 10

// ask has a request leave whose reply is expected.
func (r *replies) ask(ctx context.Context, p *push, answer <-chan reply) {
	if !r.lead(ctx, p, answer) {
		r.t.commands.addPush(p)
		r.signal()
	}
}

// lead reports whether it has sent the request. It returns when there is an answer, or
// the call has another reason not to wait, or when others wait as well.
func (r *replies) lead(ctx context.Context, p *push, answer <-chan reply) bool {
	if !p.isPlain() || p.size > mostLed || !r.reading.TryLock() {
		return false
	}
	var conn *connection
	if calls, left := r.due(); calls == 1 && left == nil {
		conn = r.line.current()
	}
	if conn == nil || !p.leave() {
		r.reading.Unlock()
		return false
	}
	x := r.newPop(conn, 1, r.t.commands.along(nil, []*push{p}))
	d := x.begin()
	if !d.over {
		off := r.follow(conn)
		stop := context.AfterFunc(ctx, r.callOff)
		for !d.over && !off && len(answer) == 0 {
			off = d.step()
		}
		stop()
		r.unfollow()
	}
	if d.over {
		r.finish(x)
	} else {
		r.leave(x)
	}
	r.reading.Unlock()
	if calls, left := r.due(); calls > 0 || left != nil {
		r.signal()
	}
	return true
}

// follow lets callOff reach the call that leads. It returns true where that has happened.
func (r *replies) follow(conn *connection) (off bool) {
	r.mu.Lock()
	r.led = conn
	r.mu.Unlock()
	return r.t.isClosed()
}

func (r *replies) unfollow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off {
		_ = r.led.socket.SetReadDeadline(time.Time{})
	}
	r.led, r.off = nil, false
}

// callOff has the call that leads stop reading. It may be one that does not want to: that
// waits on all the same.
func (r *replies) callOff() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.led != nil {
		r.off = true
		_ = r.led.socket.SetReadDeadline(time.Unix(1, 0))
	}
}
