package rabbitmq

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// No message may stop a worker, whoever has put it into the queue and whatever types
// its headers have; and whatever becomes of it, the next worker, the service's own
// followers and the dead letters get what the first one got.
func FuzzDecode(f *testing.F) {
	f.Add("", "", "", "", int64(0), []byte(nil), []byte(nil))
	f.Add("m", "c", "replies", "2500", int64(1_789_000_000), []byte("{}"), tableBytes("expires", 'l', "\x00\x00\x01\xa0\x88\x3c\xea\x00"))
	f.Add("m", "", "", "", int64(0), []byte(nil), tableBytes("history", 'S', "0 died \xd3"))
	long := strings.Repeat("x", 200) // 80 000 bytes as an L
	f.Add("m", "", "", "", int64(0), []byte(nil), slices.Concat(tableBytes("a", 'L', long), tableBytes("b", 'S', "c")))
	f.Add("m", "", "", "", int64(0), []byte(nil), slices.Concat(tableBytes("key", 'L', long), tableBytes("procedure", 'L', long)))
	f.Add("m\n", "", "amq.rabbitmq.reply-to.g1", "-1", int64(-1), []byte("\xff"), tableBytes("history", 'S', "1 died w\n2 failed - x"))
	f.Add(strings.Repeat("x", 300), "", "", "99999999999999999999", int64(1<<40), []byte("[]"), tableBytes("Failures", 'd', "\x7f\xf0\x00\x00\x00\x00\x00\x00"))
	f.Add("m", "", "", "0", int64(0), []byte("x"), slices.Concat(
		tableBytes("x-death", 'A', "delivery_limit"), tableBytes("deaths", 'b', "\xff"), tableBytes("key", 'x', "a\nb"),
		tableBytes("procedure", 'S', "add\r"), tableBytes("Key", 't', "1"), tableBytes("a_b", 'F', "c"), tableBytes("unread", 'T', "\x00\x00\x00\x01")))
	f.Fuzz(func(t *testing.T, id, correlation, replyTo, expiration string, stamp int64, body, table []byte) {
		d := amqp.Delivery{
			MessageId: id, CorrelationId: correlation, ReplyTo: replyTo, Expiration: expiration,
			Timestamp: time.Unix(stamp%(1<<40), 0), Body: body, Headers: tableOf(table),
		}
		before := maps.Clone(d.Headers)
		now := at(0)
		in := decode(d, now)
		if diff := cmp.Diff(before, d.Headers, cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("decode changes what it reads:\n%s", diff)
		}
		if !bytes.Equal(in.message.Body, body) || !fitsID(in.message.ID) || in.message.Key == "" {
			t.Fatalf("%+v became %+v", d, in)
		}

		in.message.Redelivered = true
		again := in.again("calculator", now)
		checkSendable(t, again)
		want := in
		want.deliveries = 0
		if want.correlationID == "" {
			want.correlationID = in.message.ID
		}
		got := decode(delivered(again), now)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(inbound{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("taken again (-before +after):\n%s", diff)
		}

		follower, err := encode("calculator", transports.Message{Key: in.message.Key, Method: in.message.Method, Header: in.message.Header}, now)
		if err != nil {
			t.Fatalf("cannot be followed by a message like it: %v", err)
		}
		checkSendable(t, follower)
		checkSendable(t, encodeReply(in, body, "", now))

		letter := encodeDead("calculator", in, "why", now)
		checkSendable(t, letter)
		if diff := cmp.Diff(in.message, decodeDead(delivered(letter), now).Message, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("as a dead letter (-before +after):\n%s", diff)
		}
		if a, b := decodeDead(d, now).ID, decodeDead(d, now).ID; a != b || a == "" {
			t.Fatalf("as a dead letter it is called %q and then %q", a, b)
		}
		decodeReply(d)
	})
}

// checkSendable fails for what the library refuses to send, or what costs a
// connection because it is longer than a frame.
func checkSendable(t *testing.T, p amqp.Publishing) {
	t.Helper()
	size := 0
	for name, value := range p.Headers {
		s, _ := scalar(value)
		size += len(name) + len(s) + 8
		if len(name) > mostShort {
			t.Fatalf("header %.300q is too long a name", name)
		}
	}
	if size > 100<<10 {
		t.Fatalf("%d bytes of headers", size)
	}
	if err := p.Headers.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{p.MessageId, p.CorrelationId, p.ReplyTo, p.Expiration} {
		if len(s) > mostShort {
			t.Fatalf("property %.300q is too long", s)
		}
	}
	if ms, ok := number(p.Expiration); p.Expiration != "" && (!ok || ms < 1 || ms > math.MaxUint32) {
		t.Fatalf("expiration %q", p.Expiration)
	}
}

// tableBytes is one entry of what tableOf reads.
func tableBytes(name string, kind byte, value string) []byte {
	return slices.Concat([]byte{byte(len(name))}, []byte(name), []byte{kind, byte(len(value))}, []byte(value))
}

// tableOf makes of any bytes a table with values of every type that the library
// hands out.
func tableOf(raw []byte) amqp.Table {
	table := amqp.Table{}
	take := func(n int) []byte {
		n = min(n, len(raw))
		taken := raw[:n]
		raw = raw[n:]
		return taken
	}
	length := func() int {
		b := take(1)
		if len(b) == 0 {
			return 0
		}
		return int(b[0])
	}
	for len(raw) > 0 {
		name := string(take(length()))
		kind := take(1)
		if len(kind) == 0 {
			break
		}
		value := take(length())
		var wide [8]byte
		copy(wide[:], value)
		n := binary.BigEndian.Uint64(wide[:])
		table[name] = fieldOf(kind[0], string(value), n)
	}
	return table
}

func fieldOf(kind byte, text string, n uint64) any {
	switch kind {
	case 't':
		return n != 0
	case 'B':
		return uint8(n >> 56)
	case 'b':
		return int8(n >> 56)
	case 's':
		return int16(n >> 48)
	case 'u':
		return uint16(n >> 48)
	case 'I':
		return int32(n >> 32)
	case 'i':
		return uint32(n >> 32)
	case 'l':
		return int64(n)
	case 'f':
		return math.Float32frombits(uint32(n >> 32))
	case 'd':
		return math.Float64frombits(n)
	case 'D':
		return amqp.Decimal{Scale: uint8(n), Value: int32(n >> 32)}
	case 'x':
		return []byte(text)
	case 'T':
		return time.Unix(int64(n>>32), 0)
	case 'A':
		return []any{amqp.Table{"reason": text, "time": time.Unix(int64(n>>32), 0)}, text, nil}
	case 'F':
		return amqp.Table{"text": text}
	case 'V':
		return nil
	case 'L': // a long text out of few bytes
		return strings.Repeat(text, 400)
	}
	return text
}
