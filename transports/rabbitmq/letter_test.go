package rabbitmq

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

func TestReplies(t *testing.T) {
	t.Parallel()
	in := inbound{message: transports.Message{ID: "m", Expires: at(5_000)}, correlationID: "c"}
	p := encodeReply(in, []byte("a\n\xff"), "", at(0))
	if p.Expiration != "65000" || p.ContentType != "application/json" || p.MessageId != "" || len(p.Headers) != 0 {
		t.Errorf("reply leaves as %+v", p)
	}
	if id, body, err := decodeReply(delivered(p)); id != "c" || string(body) != "a\n\xff" || err != nil {
		t.Errorf("it arrives for %q as %q, error %v", id, body, err)
	}

	p = encodeReply(in, []byte("x"), givenUp+"4 workers\ndied", at(0))
	if p.Body != nil {
		t.Errorf("the word that there is no reply has the body %q", p.Body)
	}
	id, body, err := decodeReply(delivered(p))
	if id != "c" || body != nil || !errors.Is(err, transports.ErrBuried) || !strings.Contains(err.Error(), ": 4 workers died") {
		t.Errorf("the word that a message was given up arrives for %q as %q, error %v", id, body, err)
	}
	_, body, err = decodeReply(delivered(encodeReply(in, nil, "too large", at(0))))
	if err == nil || errors.Is(err, transports.ErrBuried) || body != nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("the word that there is no reply arrives as %q, error %v", body, err)
	}
	in.message.Expires = time.Time{}
	if p := encodeReply(in, nil, "", at(0)); p.Expiration != "" {
		t.Errorf("the reply to a caller that waits for ever expires after %q ms", p.Expiration)
	}
}

func TestDeadLetterRoundTrip(t *testing.T) {
	t.Parallel()
	p := encodeDead("calculator", inbound{message: full(), replyTo: "replies", correlationID: "c", deaths: 3}, "3 workers\ndied", at(9_000))
	if p.Expiration != "" || p.ReplyTo != "" || p.CorrelationId != "" || p.DeliveryMode != amqp.Persistent {
		t.Errorf("dead letter would expire or be answered: %+v", p)
	}
	want := transports.DeadLetter{ID: "0191-1f", Message: full(), Buried: at(9_000), Reason: "3 workers died", Deaths: 3}
	if diff := cmp.Diff(want, decodeDead(delivered(p), at(10_000))); diff != "" {
		t.Errorf("dead letter (-sent +received):\n%s", diff)
	}
	p = encodeDead("calculator", inbound{message: full()}, "", at(0))
	if d := decodeDead(delivered(p), at(0)); d.Reason == "" {
		t.Error("a dead letter does not say that there is no reason")
	}
	p = encodeDead("calculator", inbound{message: full()}, strings.Repeat("x", 10_000), at(0))
	if d := decodeDead(delivered(p), at(0)); len(d.Reason) > mostError+len("…") {
		t.Errorf("the reason has %d bytes", len(d.Reason))
	}
}

// A member of a batch that is given up has no id of its own yet.
func TestDeadLetterOfAHandler(t *testing.T) {
	t.Parallel()
	m := transports.Message{Key: "batch#0", Method: "ship", Body: []byte("member"), Failures: 1}
	p, err := encodeLetter("calculator", transports.DeadLetter{Message: m, Reason: "no such order"}, at(0))
	if err != nil {
		t.Fatal(err)
	}
	d := decodeDead(delivered(p), at(0))
	m.ID, m.Enqueued, m.Redelivered = d.ID, at(0), true
	if diff := cmp.Diff(transports.DeadLetter{ID: d.ID, Message: m, Buried: at(0), Reason: "no such order"}, d); diff != "" || d.ID == "" {
		t.Errorf("dead letter (-sent +received):\n%s", diff)
	}
	if _, err := encodeLetter("calculator", transports.DeadLetter{Message: transports.Message{ID: "a\nb"}}, at(0)); err == nil {
		t.Error("an id of two lines was accepted")
	}
}

// The broker moves messages here too, as the last resort: it says when and why.
func TestDeadLetterOfTheBroker(t *testing.T) {
	t.Parallel()
	death := func(reason string) amqp.Delivery {
		return amqp.Delivery{Body: []byte("{}"), Headers: amqp.Table{"x-death": []any{
			"nonsense", amqp.Table{"reason": reason, "queue": "calculator", "count": int64(1), "time": at(0)},
			amqp.Table{"reason": "expired", "queue": "calculator.delay.1000", "time": at(-60_000)},
		}}}
	}
	for reason, says := range map[string]string{"delivery_limit": "too often", "maxlen": "full", "expired": "time", "new in 5.0": "new in 5.0"} {
		d := decodeDead(death(reason), at(0))
		if !d.Buried.Equal(at(0)) || !strings.Contains(d.Reason, says) || !strings.Contains(d.Reason, "calculator") {
			t.Errorf("%s: buried %v because %q", reason, d.Buried, d.Reason)
		}
	}
	first, same, other := death("maxlen"), death("maxlen"), death("maxlen")
	other.Body = []byte("[]")
	a, b, c := decodeDead(first, at(0)), decodeDead(same, at(5)), decodeDead(other, at(0))
	if a.ID == "" || a.ID != b.ID || a.ID == c.ID || a.Message.ID != a.ID || a.Message.Key != a.ID {
		t.Errorf("letters without an id are called %q, the same %q, another %q", a.ID, b.ID, c.ID)
	}
	if d := decodeDead(amqp.Delivery{MessageId: "m"}, at(0)); d.ID != "m" || d.Reason == "" || !d.Buried.IsZero() {
		t.Errorf("what somebody put here by hand is shown as %+v", d)
	}
}
