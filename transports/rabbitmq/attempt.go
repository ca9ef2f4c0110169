package rabbitmq

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/internal/lifetime"
	"github.com/journeyman-go/journeyman/transports"
)

// An attempt is a message in the hands of its handler, and the handler's context.
type attempt struct {
	lifetime.Context
	server *server
	entry  atomic.Pointer[entry] // nil once there is an outcome: a handler may keep its context, and should not keep the message
	leave  func()                // lets the next message run
	lent   atomic.Bool           // the Settler was asked for
}

// execute runs a message that was admitted. It ends as late as the handler does, the
// message with the first outcome.
func (s *server) execute(e *entry, leave func()) {
	if !s.desk.begin(e) { // it is given back
		leave()
		s.busy.Add(-1)
		s.over(e)
		return
	}
	m := e.in.message
	a := &attempt{server: s, leave: leave}
	a.entry.Store(e)
	a.Init(s.work, m.Expires)
	defer a.Release()
	if !m.Expires.IsZero() && !time.Now().Before(m.Expires) { // while it waited for its turn
		s.stats.expired.Add(1)
		a.Settle(transports.Outcome{})
		return
	}
	a.call(m)
}

// call runs the handler. A panic is a fault of whoever joined handler and
// transport; it must not take the process and other people's requests along, and
// the message is kept where people find it. So it is where a handler ends its
// goroutine, unless that is for another one to settle.
func (a *attempt) call(m transports.Message) {
	returned := false
	outcome := transports.Outcome{Verdict: transports.Bury, Err: errors.New("the handler ended its goroutine")}
	defer func() {
		v := recover()
		if v != nil {
			a.server.log.Error("handler panicked, its request is buried unless it was settled before", "service", a.server.service.Name,
				"method", m.Method, "panic", v, "stack", string(debug.Stack()))
			outcome.Err = fmt.Errorf("panic: %v", v)
		}
		if returned || v != nil || !a.lent.Load() {
			a.Settle(outcome)
		}
	}()
	outcome = a.server.service.Handler(a, m)
	returned = true
}

// Value implements context.Context.
func (a *attempt) Value(key any) any {
	if key == (transports.SettlerKey{}) {
		a.lent.Store(true)
		return transports.Settler(a)
	}
	return a.Context.Value(key)
}

// Settle implements transports.Settler.
func (a *attempt) Settle(o transports.Outcome) {
	e := a.entry.Swap(nil)
	if e == nil {
		return
	}
	ours := a.server.desk.end(e) // otherwise it was given back, and the outcome is somebody else's to give
	a.leave()
	a.server.busy.Add(-1)
	if ours {
		a.server.settle(e, o)
	}
	a.server.over(e)
}
