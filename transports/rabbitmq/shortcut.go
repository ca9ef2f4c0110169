package rabbitmq

import (
	"errors"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A route is what the exchanges route by.
type route struct{ service, method string }

// Shortcuts are routes of which this process knows that they lead to the service's own
// queue, and to workers like ours: the reply to a request that went by the exchanges has
// told so just now. The next ones are abridged and published to the queue itself, each of
// which saves the broker several percent of a message.
//
// A method may be given a queue of its own at any time. So a shortcut lasts for a moment,
// and those who take it do not make it last longer: one request in that time goes by the
// exchanges again.
type shortcuts struct {
	permission atomic.Int32  // to publish to the default exchange
	taken      recent[route] // when the last request was sent that was answered from there
}

const shortcutLasts = time.Second

// What is known of a permission.
const (
	unknown int32 = iota
	asked
	given
	denied
)

// note is told of a request that was sent then by the exchanges and came to its service's queue.
func (s *shortcuts) note(r route, sent time.Time) {
	if len(r.method) > mostShort {
		return
	}
	if last := s.taken.get(r); last == nil || last.Load() < sent.UnixNano() { // one that took longer tells nothing new
		s.taken.note(r, sent)
	}
}

// forget is told of a request that did not come there, or was answered by somebody else.
func (s *shortcuts) forget(r route) { s.taken.forget(r) }

// has reports whether a request may be published to its service's queue.
func (s *shortcuts) has(r route, now time.Time) bool {
	return s.permission.Load() == given && s.taken.within(r, shortcutLasts, now)
}

// learn remembers what the reply to a request tells of its way: the queue from which it
// was taken.
func (t *Transport) learn(r route, sent time.Time, byExchange bool, from string) {
	switch {
	case from != t.names.queue(r.service):
		t.shortcuts.forget(r)
	case byExchange:
		t.shortcuts.note(r, sent)
		if t.shortcuts.permission.CompareAndSwap(unknown, asked) {
			t.background(t.askPermission)
		}
	}
}

// askPermission finds out whether this process's user may publish to the default exchange.
// Whoever calls by the other exchanges alone needs no right to that, and a request without
// it would cost everybody the connection.
func (t *Transport) askPermission() {
	permission := unknown
	if s, ok, _ := t.publishing.current.get(); ok {
		err := onChannel(s.conn, publishNowhere)
		if fault, refused := errors.AsType[*amqp.Error](err); refused && fault.Code == amqp.AccessRefused {
			permission = denied
		} else if err == nil {
			permission = given
		}
	}
	t.shortcuts.permission.Store(permission)
}

// publishNowhere publishes to the default exchange what no queue gets.
func publishNowhere(ch *amqp.Channel) error {
	if err := ch.Confirm(false); err != nil {
		return err
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	confirm, err := ch.PublishWithDeferredConfirm("", "journeyman.nowhere", false, false, amqp.Publishing{})
	if err != nil {
		return err
	}
	if confirm.Wait() {
		return nil
	}
	if fault := <-closed; fault != nil {
		return fault
	}
	return amqp.ErrClosed
}
