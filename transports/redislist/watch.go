package redislist

import (
	"sync/atomic"
	"time"
)

// A watch closes a connection when nothing has moved on it for too long although
// the broker answers elsewhere. It looks from time to time, whatever is under way: a
// timer that is set for each exchange wakes a thread for each, which costs as much
// as the exchange.
type watch struct {
	line   *line
	conn   *connection
	limit  time.Duration
	timer  *time.Timer
	turns  atomic.Int64 // exchanges begun and ended: odd while one is under way
	closed atomic.Bool
}

func newWatch(l *line, conn *connection) *watch {
	w := &watch{line: l, conn: conn, limit: l.block + l.dialer.timing.silence}
	w.timer = time.AfterFunc(time.Hour, w.look)
	w.timer.Reset(w.limit / 2)
	return w
}

func (w *watch) begin() { w.turns.Add(1) }
func (w *watch) end()   { w.turns.Add(1) }

func (w *watch) close() {
	w.closed.Store(true)
	w.timer.Stop()
}

func (w *watch) look() {
	timing, ctx := w.line.dialer.timing, w.line.ctx
	turn := w.turns.Load()
	stuck := func() bool {
		return turn%2 == 1 && w.turns.Load() == turn && w.conn.socket.still() >= w.limit && ctx.Err() == nil
	}
	next := w.limit / 2
	if stuck() {
		next = timing.silence
		if w.line.dialer.alive(ctx) == nil {
			// A broker that has just woken up gets the time to answer here, too.
			if wait(ctx, timing.silence/4) == nil && stuck() {
				_ = w.conn.socket.Close()
				return
			}
		}
	}
	if !w.closed.Load() && ctx.Err() == nil {
		w.timer.Reset(next)
	}
}
