package rabbitmq

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The broker returns a message and then confirms it. If the connection breaks then, what
// it returned lies unread, and must not be taken for what it has.
func TestReturnedAndCutOff(t *testing.T) {
	t.Parallel()
	for range 200 {
		o := &outlet{
			session: &session{lost: make(chan struct{})}, ask: make(chan chan struct{}), over: make(chan struct{}),
			returns: make(chan amqp.Return, 1), expected: make(map[string]*parcel),
		}
		p := &parcel{outlet: o, serial: "1", returned: make(chan struct{})}
		o.expected[p.serial] = p
		o.returns <- amqp.Return{Headers: amqp.Table{headerSerial: p.serial}}
		close(o.returns)
		close(o.session.lost)
		go o.watchReturns()
		if !o.wasReturned(p) {
			t.Fatal("a message that found no queue is taken for one that did")
		}
	}
}
