package rabbitmq

import (
	"bytes"
	"runtime"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
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

// reply publishes a reply, in one message with those to the same queue that are there by
// then: crowded says that there may be some. It does not wait for the network.
func (o *outlet) reply(r *reply, crowded bool) {
	queue := r.entry.in.replyTo
	if r.bundled {
		o.mu.Lock()
		o.bundles[queue] = append(o.bundles[queue], r)
		o.mu.Unlock()
	}
	o.session.socket.gather(func() {
		if crowded {
			runtime.Gosched() // whoever is about to reply does so now
		}
		o.turn.Lock()
		defer o.turn.Unlock()
		if !r.bundled {
			o.putBundles(queue, []*reply{r})
			return
		}
		o.mu.Lock()
		bundles := o.bundles
		if len(bundles) > 0 {
			o.bundles = make(map[string][]*reply, len(bundles))
		}
		o.mu.Unlock()
		for queue, replies := range bundles {
			o.putBundles(queue, replies)
		}
	})
}

// putBundles publishes replies to one queue. o.turn is held.
func (o *outlet) putBundles(queue string, replies []*reply) {
	for len(replies) > 0 {
		n, size := 0, 0
		for n < len(replies) && n < mostBundled && (n == 0 || size+len(replies[n].body) <= bundleBytes) {
			size += len(replies[n].body)
			n++
		}
		together := replies[:n]
		p := &parcel{key: queue, message: encodeReplies(together, size, time.Now()), told: func(err error) { tellAll(together, err) }}
		if _, err := o.put(p); err != nil {
			tellAll(together, err)
		}
		replies = replies[n:]
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

// encodeReplies returns the message that carries replies of so many bytes.
func encodeReplies(replies []*reply, size int, now time.Time) amqp.Publishing {
	if len(replies) == 1 {
		return encodeReply(replies[0].entry.in, replies[0].body, "", now)
	}
	p := amqp.Publishing{ContentType: bundleType, DeliveryMode: amqp.Transient, Timestamp: now}
	var last time.Time
	forever := false
	body := make([]byte, 0, size+64*len(replies))
	for _, r := range replies {
		in := &r.entry.in
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
