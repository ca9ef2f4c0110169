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

// The library drops a confirm that is not taken from it in time. Then no other parcel is
// told what was meant for the one before it.
func TestConfirmLost(t *testing.T) {
	t.Parallel()
	for name, numbers := range map[string][]uint64{
		"one is dropped":               {1, 3},
		"the last of several":          {1, 3, 4},
		"more than there are messages": {1, 2, 3, 4, 5},
	} {
		confirms := make(chan amqp.Confirmation, 8)
		_, s := recording()
		o := &outlet{session: &session{socket: s, lost: make(chan struct{})}, confirms: confirms}
		words := make([][]error, 4)
		for i := range words {
			o.sent.push(&parcel{told: func(err error) { words[i] = append(words[i], err) }})
		}
		known := 0
		for i, n := range numbers {
			confirms <- amqp.Confirmation{DeliveryTag: n, Ack: true}
			if int(n) == i+1 && i < len(words) {
				known++
			}
		}
		close(confirms)
		heard := make(chan struct{})
		go func() { defer close(heard); o.listen() }()
		await(t, name, heard)
		for i, told := range words {
			if len(told) != 1 || i < known && told[0] != nil || i >= known && !errors.Is(told[0], transports.ErrUnknownOutcome) {
				t.Errorf("%s: message %d of which %d are known is told %v", name, i+1, known, told)
			}
		}
		if !errors.Is(o.session.why, errConfirmLost) {
			t.Errorf("%s: the session ends with %v", name, o.session.why)
		}
	}
}
