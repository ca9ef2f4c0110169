package main

import (
	"context"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// pester publishes what is no request to the service's queue, by both ways that lead
// there, and returns how much it was.
func (b *rabbitBroker) pester() (sent int) {
	w := b.world
	b.mustDo(func(ch *amqp.Channel) error {
		put := func(p amqp.Publishing) error {
			sent++
			if sent%2 == 0 {
				return ch.PublishWithContext(context.Background(), "", service, false, false, p)
			}
			if p.Headers == nil {
				p.Headers = amqp.Table{}
			}
			if _, ok := p.Headers["destination"]; !ok {
				p.Headers["destination"] = service
			}
			return ch.PublishWithContext(context.Background(), "rpc", "", false, false, p)
		}
		for range pick(w, 300, 3000) {
			junk := make([]byte, w.chance.IntN(200))
			for i := range junk {
				junk[i] = byte(w.chance.UintN(256)) //nolint:gosec // it fits
			}
			for _, p := range []amqp.Publishing{
				{Body: junk},
				{Body: []byte(`{"jsonrpc":"2.0",` + string(junk) + `}`), CorrelationId: string(junk), ReplyTo: string(junk)},
				{Body: []byte("{}"), MessageId: string(junk), ContentEncoding: string(junk), Headers: amqp.Table{"junk": string(junk), "history": string(junk), "expires": junk}},
			} {
				if err := put(p); err != nil {
					return err
				}
			}
		}
		ping := []byte(`{"jsonrpc":"2.0","method":"rpc.ping","id":1}`)
		for _, p := range append(oddHeaders(ping), oddBodies()...) {
			if err := put(p); err != nil {
				return err
			}
		}
		return nil
	})
	return sent
}

// oddHeaders are requests that are right, with properties and headers that are not.
func oddHeaders(ping []byte) (all []amqp.Publishing) {
	for _, h := range []amqp.Table{
		{"deaths": int64(1) << 62}, {"deaths": int64(-1)}, {"deaths": "many"}, {"deaths": int32(1)}, {"failures": true},
		{"expires": int64(1) << 62}, {"expires": "soon"}, {"expires": int64(1)}, {"not-before": int64(1) << 62}, {"enqueued": float64(1e300)},
		{"history": strings.Repeat("h", 60_000)}, {"history": amqp.Table{"a": amqp.Table{"b": []any{int64(1), nil}}}}, {"unread": []any{}},
		{"error": "given up: by nobody", "buried": int64(1)}, {"x-death": []any{amqp.Table{"queue": int64(7)}}}, {"x-death": "x"},
		{"x-delivery-count": int64(1) << 40}, {"procedure": strings.Repeat("p", 60_000)}, {"key": "\n\nkey"}, {strings.Repeat("n", 255): nil},
	} {
		all = append(all, amqp.Publishing{Body: ping, Headers: h, MessageId: "the-same"})
	}
	return append(all,
		amqp.Publishing{Body: ping, ReplyTo: "nobody.reads.this"}, // returned
		amqp.Publishing{Body: ping, ReplyTo: service},             // the reply comes back as a request
		amqp.Publishing{Body: ping, ReplyTo: strings.Repeat("r", 255), CorrelationId: strings.Repeat("c", 255)},
		amqp.Publishing{Body: ping, ReplyTo: "amq.rabbitmq.reply-to.g2dkAA=="},
		amqp.Publishing{Body: ping, Expiration: "0"}, amqp.Publishing{Body: ping, Expiration: "1"},
		amqp.Publishing{Body: ping, ContentType: "image/png", ContentEncoding: "gzip", Priority: 255, Type: "t", UserId: "", AppId: "\xff"},
	)
}

// oddBodies are bodies that are no request, or more of one than anybody wants.
func oddBodies() (all []amqp.Publishing) {
	for _, body := range odd() {
		all = append(all, amqp.Publishing{Body: []byte(body)})
	}
	return all
}
