package rabbitmq

import (
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// firstOf begins app_id where message_id is the serial as well: a message that is published
// for the first time by whoever made it. Each header costs the broker several percent of
// the message, so that there may stand two of them behind it instead: when the message was
// sent and when it expires, in Unix milliseconds, 0 for never.
//
//	journeyman 1789000000000 1789000025000
const firstOf = "journeyman"

// isFirst reports whether a message with this app_id has its serial in message_id.
func isFirst(app string) bool {
	rest, ok := strings.CutPrefix(app, firstOf)
	return ok && (rest == "" || rest[0] == ' ')
}

// abridge moves the times of a message into app_id. What else uses its headers is not
// changed.
func abridge(p *amqp.Publishing, expires time.Time) {
	if p.AppId != firstOf {
		return
	}
	app := make([]byte, 0, len(firstOf)+2*14)
	app = append(app, firstOf...)
	for _, at := range []time.Time{p.Timestamp, expires} {
		app = strconv.AppendInt(append(app, ' '), unixMilli(at), 10)
	}
	p.AppId = string(app)
	long := p.Headers
	p.Headers = make(amqp.Table, len(long))
	for name, value := range long {
		if name != headerEnqueued && name != headerExpires {
			p.Headers[name] = value
		}
	}
}

// abridged returns the times in app_id, zero where there are none.
func abridged(app string) (sent, expires time.Time) {
	text, ok := strings.CutPrefix(app, firstOf+" ")
	first, second, spaced := strings.Cut(text, " ")
	if !ok || !spaced {
		return
	}
	at, err := strconv.ParseInt(first, 10, 64)
	by, fault := strconv.ParseInt(second, 10, 64)
	if err != nil || fault != nil {
		return
	}
	return timeOf(at), timeOf(by)
}
