package redislist

import (
	"sync/atomic"
	"time"
)

// A watch closes a connection when nothing has moved on it for too long although
// the broker answers elsewhere. It looks only while an exchange is under way, and
// costs no more than setting a timer for each.
type watch struct {
	line     *line
	conn     *connection
	limit    time.Duration
	timer    *time.Timer
	exchange atomic.Int64 // number of the one under way; negative between two
}

func newWatch(l *line, conn *connection) *watch {
	w := &watch{line: l, conn: conn, limit: l.block + l.dialer.timing.silence}
	w.timer = time.AfterFunc(w.limit, w.look)
	w.timer.Stop()
	w.exchange.Store(-1)
	return w
}

func (w *watch) begin() {
	w.exchange.Store(-w.exchange.Load())
	w.timer.Reset(w.limit)
}

func (w *watch) end() {
	w.timer.Stop()
	w.exchange.Store(-w.exchange.Load() - 1)
}

// look runs while one exchange takes long.
func (w *watch) look() {
	timing, ctx := w.line.dialer.timing, w.line.ctx
	number := w.exchange.Load()
	lasts := func() bool { return number > 0 && w.exchange.Load() == number && ctx.Err() == nil }
	for lasts() {
		if w.conn.socket.still() >= w.limit && w.line.dialer.alive(ctx) == nil {
			// A broker that has just woken up gets the time to answer here, too.
			if wait(ctx, timing.silence/4) == nil && lasts() && w.conn.socket.still() >= w.limit {
				_ = w.conn.socket.Close()
				return
			}
		}
		_ = wait(ctx, timing.silence)
	}
}
