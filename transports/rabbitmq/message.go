package rabbitmq

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// A message on the wire is its body and nothing else. What is to be said beside it
// stands in AMQP's properties and, where they have no room for it, in headers of
// these names. All are optional. Times are Unix milliseconds.
const (
	headerDestination = "destination" // the service, by which the exchanges route
	headerProcedure   = "procedure"   // the method, by which they route too
	headerExpires     = "expires"     // the property expiration is a duration and lasts until the message is moved
	headerEnqueued    = "enqueued"    // the property timestamp counts seconds
	headerNotBefore   = "not-before"
	headerKey         = "key" // where it is not the id
	headerFailures    = "failures"
	headerDeaths      = "deaths"      // workers that died while they ran it, one after the other
	headerHistory     = "history"     // one line for each attempt, newest first; see encodeAttempt
	headerRedelivered = "redelivered" // true: it may have run before. The broker's own mark is lost when a message is moved
	headerUnread      = "unread"      // true: nobody reads a reply
	headerBuried      = "buried"      // of a dead letter: when it was given up
	headerError       = "error"       // of a dead letter: why; in a reply: that there will be none, and why
)

var ownHeaders = []string{
	headerDestination, headerProcedure, headerExpires, headerEnqueued, headerNotBefore, headerKey, headerFailures,
	headerDeaths, headerHistory, headerRedelivered, headerUnread, headerBuried, headerError, headerSerial, headerDelayed,
}

const (
	mostHistory = 20       // attempts that a message carries along
	mostWorker  = 128      // bytes of the worker's name in each
	mostCause   = 512      // bytes of its error
	mostError   = 2048     // bytes of the reason of a dead letter
	mostHeader  = 48 << 10 // bytes of what the sender may say beside the body; see checkSize

	// Longer ones the broker refuses: an AMQP timer has 32 bits of milliseconds.
	longestExpiration = time.Duration(1<<32-1) * time.Millisecond
)

// directReplyTo is what callers write who want the broker to find a way for the reply.
const directReplyTo = "amq.rabbitmq.reply-to"

// inbound is a message as it was taken from a queue.
type inbound struct {
	message       transports.Message // complete: with an ID and a Key
	replyTo       string             // the queue that waits for the reply; "": none does
	correlationID string             // what the reply has to repeat; "": nothing
	deaths        int                // workers that died while they ran it, as far as workers have written it down
	deliveries    int                // how often a quorum queue says that it has given it out in vain
}

// encode returns a request as it leaves. Where a reply is wanted the caller sets
// ReplyTo and CorrelationId. It fails for what would not arrive as it was sent, and
// with ErrTooLarge where so much is said beside the body that no frame holds it.
func encode(service string, m transports.Message, now time.Time) (amqp.Publishing, error) {
	if m.Unique != "" {
		return amqp.Publishing{}, fmt.Errorf("unique message: RabbitMQ cannot tell what waits: %w", transports.ErrUnsupported)
	}
	if err := checkHeader(m.Header); err != nil {
		return amqp.Publishing{}, err
	}
	if !fitsID(m.ID) && m.ID != "" {
		return amqp.Publishing{}, fmt.Errorf("message id %.300q: want up to %d bytes, no control characters and no white space around it", m.ID, mostShort)
	}
	if !isTrimmedLine(m.Key) {
		return amqp.Publishing{}, fmt.Errorf("idempotency key %.300q: want no control characters and no white space around it", m.Key)
	}
	if err := checkSize(m); err != nil {
		return amqp.Publishing{}, err
	}
	if m.ID == "" {
		m.ID = uuid.NewString()
	}
	m.Enqueued = now
	return encodeMessage(service, m, 0, now), nil
}

// again returns a message as it goes back to its service: with what was changed in
// it since, with its reply address and the time at which it was first sent.
func (in inbound) again(service string, now time.Time) amqp.Publishing {
	p := encodeMessage(service, in.message, in.deaths, now)
	p.ReplyTo, p.CorrelationId = in.replyTo, in.correlationID
	return p
}

// encodeMessage is encode for what is known to fit.
func encodeMessage(service string, m transports.Message, deaths int, now time.Time) amqp.Publishing {
	p := amqp.Publishing{
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		MessageId:    m.ID,
		Expiration:   expiration(m.Expires, now),
		Headers:      make(amqp.Table, len(m.Header)+6),
		Body:         m.Body,
	}
	text := func(name, value string) {
		if value != "" {
			p.Headers[name] = value
		}
	}
	number := func(name string, n int64) {
		if n != 0 {
			p.Headers[name] = n
		}
	}
	mark := func(name string, is bool) {
		if is {
			p.Headers[name] = true
		}
	}
	for name, value := range m.Header {
		p.Headers[name] = value
	}
	if !m.Enqueued.IsZero() {
		p.Timestamp = m.Enqueued
	}
	text(headerDestination, service)
	text(headerProcedure, m.Method)
	number(headerExpires, unixMilli(m.Expires))
	number(headerEnqueued, unixMilli(m.Enqueued))
	number(headerNotBefore, unixMilli(m.NotBefore))
	if m.Key != m.ID {
		text(headerKey, m.Key)
	}
	number(headerFailures, int64(m.Failures))
	number(headerDeaths, int64(deaths))
	text(headerHistory, encodeHistory(m.History))
	mark(headerRedelivered, m.Redelivered)
	mark(headerUnread, m.Unread)
	return p
}

// expiration returns the time that is left, as AMQP has it: "" for ever. What has
// expired is given a moment, so that whoever takes it can say so.
func expiration(expires, now time.Time) string {
	left := expires.Sub(now)
	if expires.IsZero() || left > longestExpiration {
		return ""
	}
	return strconv.FormatInt(max((left+time.Millisecond-1).Milliseconds(), 1), 10)
}

// decode never fails: what cannot be read is as good as absent. now is this
// machine's clock. Of the two ways to say when a message expires the earlier one
// counts: the sender's clock may be ahead, and expiration is counted from here on.
func decode(d amqp.Delivery, now time.Time) inbound {
	if d.ReplyTo == directReplyTo {
		d.ReplyTo = "" // the broker gives each caller a name; this one leads back to whoever uses it
	}
	in := inbound{replyTo: property(d.ReplyTo), correlationID: property(cmp.Or(d.CorrelationId, d.MessageId))}
	m := &in.message
	m.Body = d.Body
	if fitsID(d.MessageId) {
		m.ID = d.MessageId
	} else {
		m.ID = uuid.NewString()
	}
	h := fold(d.Headers)
	m.Method = oneLine(h.text(headerProcedure))
	m.Key = h.text(headerKey)
	if m.Key == "" || !isTrimmedLine(m.Key) {
		m.Key = m.ID
	}
	sent, expires := abridged(d.AppId)
	if m.Expires = h.time(headerExpires); m.Expires.IsZero() {
		m.Expires = expires
	}
	if ms, ok := number(d.Expiration); ok && ms >= 0 && ms <= longestExpiration.Milliseconds() {
		if latest := now.Add(time.Duration(ms) * time.Millisecond); m.Expires.IsZero() || m.Expires.After(latest) {
			m.Expires = time.UnixMilli(latest.UnixMilli())
		}
	}
	if m.Enqueued = h.time(headerEnqueued); m.Enqueued.IsZero() {
		m.Enqueued = sent
	}
	if m.Enqueued.IsZero() && !d.Timestamp.IsZero() {
		m.Enqueued = time.UnixMilli(d.Timestamp.UnixMilli())
	}
	if m.Enqueued.After(now) {
		m.Enqueued = time.UnixMilli(now.UnixMilli()) // the sender's clock is ahead
	}
	m.NotBefore = h.time(headerNotBefore)
	m.Failures = h.count(headerFailures)
	in.deaths = h.count(headerDeaths)
	in.deliveries = h.count("x-delivery-count")
	m.History = decodeHistory(h.text(headerHistory))
	m.Unread = h.is(headerUnread)
	m.Redelivered = d.Redelivered || h.is(headerRedelivered) || m.Unread || m.Failures > 0 || in.deaths > 0 ||
		in.deliveries > 0 || len(m.History) > 0 || wasReturned(d.Headers)
	m.Header = h.others()
	fit(m)
	return in
}

// wasReturned reports whether some queue passed the message on because it had been
// given out: where it merely waited, the reason is that its time there was over.
func wasReturned(t amqp.Table) bool {
	deaths, _ := t["x-death"].([]any)
	return slices.ContainsFunc(deaths, func(death any) bool {
		table, _ := death.(amqp.Table)
		return table["reason"] == "delivery_limit" || table["reason"] == "rejected"
	})
}

// An attempt on the wire is its end in Unix milliseconds, how it ended, the worker,
// which is one word, and the error, if it was one:
//
//	1789000000000 died calculator.2
//	1789000000000 failed calculator.2 connection refused
func encodeAttempt(a transports.Attempt) string {
	ended := "failed"
	if a.Died {
		ended = "died"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s %s", a.At.UnixMilli(), ended, cmp.Or(oneWord(a.Worker), "-"), brief(a.Error)))
}

func decodeAttempt(line string) (a transports.Attempt, ok bool) {
	at, rest, _ := strings.Cut(line, " ")
	ended, rest, _ := strings.Cut(rest, " ")
	worker, cause, _ := strings.Cut(rest, " ")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || worker == "" || ended != "died" && ended != "failed" {
		return a, false
	}
	if worker == "-" {
		worker = ""
	}
	return transports.Attempt{At: time.UnixMilli(ms), Died: ended == "died", Worker: oneWord(worker), Error: brief(cause)}, true
}

func oneWord(s string) string {
	return strings.Join(strings.Fields(cut(oneLine(s), mostWorker)), "_")
}

func brief(s string) string { return strings.TrimSpace(cut(oneLine(s), mostCause)) }

func encodeHistory(history []transports.Attempt) string {
	var lines []string
	for _, a := range history[:min(len(history), mostHistory)] {
		lines = append(lines, encodeAttempt(a))
	}
	return strings.Join(lines, "\n")
}

func decodeHistory(text string) []transports.Attempt {
	var history []transports.Attempt
	for line := range strings.Lines(text) {
		if a, ok := decodeAttempt(strings.TrimSpace(line)); ok && len(history) < mostHistory {
			history = append(history, a)
		}
	}
	return history
}
