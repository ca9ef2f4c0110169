package rabbitmq

import (
	"bytes"
	"runtime"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// A bundle is one message with many replies to calls of one process. A message costs the
// broker the same whatever is in it, so that replies which are ready at the same time
// are nearly free. Its body has for each reply a line with the length of the reply in
// bytes and the correlation id, and behind that the reply.
const bundleType = "application/vnd.journeyman.replies"

const (
	mostBundled = 128
	bundleBytes = 64 << 10
)

// A reply is what one call waits for.
type reply struct {
	server  *server
	entry   *entry // the request
	body    []byte
	bundled bool // whoever waits for it reads bundles
}

// A bundle is what is to leave for one queue.
type bundle struct {
	replies []*reply
	bytes   int
	flying  int // messages that the broker has not confirmed
}

// reply publishes a reply, in one message with those to the same queue that are there by
// then: crowded says that there may be some. It does not wait for the network.
//
// While the broker has not confirmed one bundle the next one for that queue waits. So
// bundles are as large as the load makes them, and a lone reply leaves at once.
func (o *outlet) reply(r *reply, crowded bool) {
	queue := r.entry.in.replyTo
	if !r.bundled {
		o.session.socket.gather(func() {
			o.turn.Lock()
			defer o.turn.Unlock()
			o.send(queue, []*reply{r}, func(err error) { tellAll([]*reply{r}, err) })
		})
		return
	}
	o.mu.Lock()
	if o.over {
		o.mu.Unlock()
		tellAll([]*reply{r}, transports.ErrUnavailable)
		return
	}
	b := o.bundles[queue]
	if b == nil {
		b = new(bundle)
		o.bundles[queue] = b
	}
	b.replies = append(b.replies, r)
	b.bytes += len(r.body)
	waits := b.flying > 0 && len(b.replies) < mostBundled && b.bytes < bundleBytes
	o.mu.Unlock()
	if !waits {
		o.session.socket.gather(func() {
			if crowded {
				runtime.Gosched() // whoever is about to reply does so now
			}
			o.ship(queue)
		})
	}
}

// ship publishes what waits for a queue.
func (o *outlet) ship(queue string) {
	o.turn.Lock()
	defer o.turn.Unlock()
	o.mu.Lock()
	var replies []*reply
	if b := o.bundles[queue]; b != nil {
		replies, b.replies, b.bytes = b.replies, nil, 0
		for rest := replies; len(rest) > 0; rest = rest[fitting(rest):] {
			b.flying++
		}
	}
	o.mu.Unlock()
	for len(replies) > 0 {
		together := replies[:fitting(replies)]
		o.send(queue, together, func(err error) { o.landed(queue, together, err) })
		replies = replies[len(together):]
	}
}

// fitting returns how many of the replies, at least one, leave in one message.
func fitting(replies []*reply) int {
	n, size := 0, 0
	for n < len(replies) && n < mostBundled && (n == 0 || size+len(replies[n].body) <= bundleBytes) {
		size += len(replies[n].body)
		n++
	}
	return n
}

// send publishes one message with replies. o.turn is held.
func (o *outlet) send(queue string, together []*reply, told func(error)) {
	if _, err := o.put(&parcel{key: queue, message: encodeReplies(together, time.Now()), told: told}); err != nil {
		told(err)
	}
}

// landed takes the broker's word on a bundle, and has the next one leave.
func (o *outlet) landed(queue string, replies []*reply, err error) {
	tellAll(replies, err)
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.bundles[queue]
	if b == nil {
		return // it is over
	}
	b.flying--
	switch {
	case b.flying > 0:
	case len(b.replies) == 0:
		delete(o.bundles, queue)
	default:
		o.landings = append(o.landings, queue)
		select {
		case o.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// follow publishes the bundles that have waited for the one before: whoever hears the
// broker's word must not publish.
func (o *outlet) follow() {
	for {
		select {
		case <-o.wake:
		case <-o.session.lost:
			return
		}
		o.mu.Lock()
		queues := o.landings
		o.landings = nil
		o.mu.Unlock()
		o.session.socket.gather(func() {
			for _, queue := range queues {
				o.ship(queue)
			}
		})
	}
}

// tellAll tells each server what became of its replies.
func tellAll(replies []*reply, err error) {
	for len(replies) > 0 {
		n := 1
		for n < len(replies) && replies[n].server == replies[0].server {
			n++
		}
		replies[0].server.replied(replies[:n], err)
		replies = replies[n:]
	}
}

// encodeReplies returns the message that carries replies.
func encodeReplies(replies []*reply, now time.Time) amqp.Publishing {
	if len(replies) == 1 {
		return replies[0].entry.encodeReply(replies[0].body, "", now)
	}
	p := amqp.Publishing{ContentType: bundleType, DeliveryMode: amqp.Transient, Timestamp: now, Type: replies[0].entry.origin()}
	var last time.Time
	forever := false
	size := 0
	for _, r := range replies {
		size += len(r.body) + len(r.entry.in.correlationID) + 8
	}
	body := make([]byte, 0, size)
	for _, r := range replies {
		in := &r.entry.in
		if r.entry.origin() != p.Type {
			p.Type = ""
		}
		forever = forever || in.message.Expires.IsZero()
		if in.message.Expires.After(last) {
			last = in.message.Expires
		}
		body = strconv.AppendInt(body, int64(len(r.body)), 10)
		body = append(body, ' ')
		body = append(body, in.correlationID...)
		body = append(body, '\n')
		body = append(body, r.body...)
	}
	if !forever {
		p.Expiration = expiration(last.Add(replyGrace), now)
	}
	p.Body = body
	return p
}

// unbundle calls do for each reply in the body of a bundle. It reports whether the body
// was read to its end.
func unbundle(body []byte, do func(id string, reply []byte)) bool {
	for len(body) > 0 {
		line, rest, found := bytes.Cut(body, []byte{'\n'})
		length, id, spaced := bytes.Cut(line, []byte{' '})
		n, err := strconv.Atoi(string(length))
		if !found || !spaced || err != nil || n < 0 || n > len(rest) {
			return false
		}
		do(string(id), rest[:n:n])
		body = rest[n:]
	}
	return true
}
