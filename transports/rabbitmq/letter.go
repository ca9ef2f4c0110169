package rabbitmq

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// givenUp stands in front of the error of a reply whose request is a dead letter.
const givenUp = "given up: "

// replyGrace is how much longer than its caller a reply lives, whose clock may be
// behind ours. It is gone soon enough not to fill a queue that nobody reads.
const replyGrace = time.Minute

// encodeReply returns the reply to a message: the body, or with refused that there
// will be none and why. It is not written to disk: a broker that restarts has the
// request still, unless the reply had reached the caller's queue, and then it is a
// matter of moments. In a box it waits for longer, and goes when the box does.
func encodeReply(in inbound, reply []byte, refused string, now time.Time) amqp.Publishing {
	p := amqp.Publishing{
		ContentType:   "application/json",
		DeliveryMode:  amqp.Transient,
		CorrelationId: in.correlationID,
		Timestamp:     now,
		Body:          reply,
	}
	if isBox(in.replyTo) {
		p.DeliveryMode = amqp.Persistent
	} else if !in.message.Expires.IsZero() {
		p.Expiration = expiration(in.message.Expires.Add(replyGrace), now)
	}
	if refused != "" {
		p.Headers = amqp.Table{headerError: oneLine(cut(refused, mostError))}
		p.Body = nil
	}
	return p
}

// encodeReply returns the reply to a message, with the queue from which that was taken.
func (e *entry) encodeReply(reply []byte, refused string, now time.Time) amqp.Publishing {
	p := encodeReply(e.in, reply, refused, now)
	p.Type = e.origin()
	return p
}

// origin returns the queue from which a message was taken, "" where it was moved there
// because a worker had died.
func (e *entry) origin() string {
	if e.kind != ordinaryWork {
		return ""
	}
	return property(e.queue)
}

// decodeReply returns which call a reply is for, and its body or the word that there
// will be none: ErrBuried where the request is a dead letter.
func decodeReply(d amqp.Delivery) (id string, body []byte, err error) {
	why := fold(d.Headers).text(headerError)
	if why == "" {
		return d.CorrelationId, d.Body, nil
	}
	if why, ok := strings.CutPrefix(why, givenUp); ok {
		return d.CorrelationId, nil, fmt.Errorf("%w: %s", transports.ErrBuried, why)
	}
	return d.CorrelationId, nil, errors.New("there will be no reply: " + why)
}

// encodeDead returns a message as it stands among the dead letters. It has no reply
// address, for its caller is told, and the broker never lets it expire.
func encodeDead(service string, in inbound, reason string, now time.Time) amqp.Publishing {
	p := encodeMessage(service, in.message, in.deaths, now)
	p.Expiration = ""
	p.Headers[headerBuried] = now.UnixMilli()
	p.Headers[headerError] = oneLine(cut(cmp.Or(reason, "no reason was given"), mostError))
	return p
}

// encodeLetter is encodeDead for a dead letter that a handler makes. It fails where
// encode does.
func encodeLetter(service string, d transports.DeadLetter, now time.Time) (amqp.Publishing, error) {
	p, err := encode(service, d.Message, now)
	if err != nil {
		return amqp.Publishing{}, fmt.Errorf("dead letter: %w", err)
	}
	d.Message.ID, d.Message.Enqueued = p.MessageId, now
	return encodeDead(service, inbound{message: d.Message, deaths: d.Deaths}, d.Reason, now), nil
}

// decodeDead reads a dead letter, also one that the broker itself has moved here.
func decodeDead(d amqp.Delivery, now time.Time) transports.DeadLetter {
	h := fold(d.Headers)
	d.Expiration = "" // whose time began long ago
	in := decode(d, now)
	letter := transports.DeadLetter{
		Message: in.message,
		Buried:  h.time(headerBuried),
		Reason:  h.text(headerError),
		Deaths:  in.deaths,
	}
	if !fitsID(d.MessageId) {
		letter.Message.ID = nameOf(d)
		if in.message.Key == in.message.ID {
			letter.Message.Key = letter.Message.ID
		}
	}
	letter.ID = letter.Message.ID
	if letter.Buried.IsZero() {
		at, why := moved(d.Headers)
		letter.Buried, letter.Reason = at, cmp.Or(letter.Reason, why)
	}
	return letter
}

// nameOf returns an id for a dead letter whose message has none: the same whenever
// somebody looks.
func nameOf(d amqp.Delivery) string {
	_, why := moved(d.Headers)
	sum := sha256.New()
	for _, s := range []string{d.CorrelationId, d.ReplyTo, strconv.FormatInt(d.Timestamp.Unix(), 10), why} {
		sum.Write(fmt.Appendf(nil, "%d %s", len(s), s))
	}
	sum.Write(d.Body)
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// moved returns when and why a broker made a message a dead letter of its own accord.
func moved(t amqp.Table) (at time.Time, why string) {
	deaths, _ := t["x-death"].([]any)
	for _, death := range deaths { // newest first
		table, ok := death.(amqp.Table)
		if !ok {
			continue
		}
		at, _ = table["time"].(time.Time)
		h := headers(table)
		reason := h.text("reason")
		switch reason {
		case "delivery_limit":
			reason = "it was given out too often without being settled"
		case "maxlen":
			reason = "the queue was full"
		case "expired":
			reason = "its time was over"
		}
		return at, fmt.Sprintf("the broker moved it here from %s: %s", h.text("queue"), reason)
	}
	return time.Time{}, "somebody put it here without a reason"
}
