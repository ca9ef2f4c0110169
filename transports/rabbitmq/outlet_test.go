package rabbitmq

import (
	"errors"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// The broker returns a message and then confirms it, or the connection breaks; the library
// hands the two over by different ways. What came back is never taken for what it has.
func TestReturned(t *testing.T) {
	t.Parallel()
	for _, confirmed := range []bool{true, false} {
		for range 200 {
			returns, confirms := make(chan amqp.Return, 1), make(chan amqp.Confirmation, 2)
			o := &outlet{session: &session{lost: make(chan struct{})}, returns: returns, confirms: confirms}
			words := make(chan error, 2)
			for _, serial := range []string{"1", "2"} {
				o.sent.push(&parcel{mandatory: true, serial: serial, told: func(err error) { words <- err }})
			}
			returns <- amqp.Return{Headers: amqp.Table{headerSerial: "2"}}
			if confirmed {
				confirms <- amqp.Confirmation{DeliveryTag: 1, Ack: true}
				confirms <- amqp.Confirmation{DeliveryTag: 2, Ack: true}
			}
			close(returns)
			close(confirms)
			close(o.session.lost)
			o.listen()
			first, second := <-words, <-words
			if confirmed != (first == nil) || !confirmed && !errors.Is(first, transports.ErrUnknownOutcome) {
				t.Errorf("confirmed %v: the first one is told %v", confirmed, first)
			}
			if !errors.Is(second, transports.ErrNoService) {
				t.Fatalf("confirmed %v: a message that found no queue is told %v", confirmed, second)
			}
		}
	}
}
