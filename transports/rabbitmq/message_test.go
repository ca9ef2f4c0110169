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

// at returns a time that the wire can carry.
func at(ms int64) time.Time { return time.UnixMilli(1_789_000_000_000 + ms) }

// delivered returns what a consumer sees of a publishing.
func delivered(p amqp.Publishing) amqp.Delivery {
	return amqp.Delivery{
		Headers: p.Headers, ContentType: p.ContentType, DeliveryMode: p.DeliveryMode, CorrelationId: p.CorrelationId, ReplyTo: p.ReplyTo,
		Expiration: p.Expiration, MessageId: p.MessageId, Timestamp: p.Timestamp.Truncate(time.Second), AppId: p.AppId, Body: p.Body,
	}
}

func full() transports.Message {
	return transports.Message{
		ID: "0191-1f", Method: "add", Body: []byte("any\n\nbytes\x00\xff"), Key: "charge:7",
		Header:  map[string]string{"traceparent": "00-ab-cd-01", "principal": "Zoë: a=b; c", "x-request-id": "7", "empty": ""},
		Expires: at(60_123), Enqueued: at(0), NotBefore: at(5_001), Failures: 2, Redelivered: true, Unread: true,
		History: []transports.Attempt{
			{At: at(-1), Worker: "calculator.1", Error: "connection refused: dial"},
			{At: at(-1_000), Died: true},
		},
	}
}

func TestMessageRoundTrip(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]transports.Message{
		"all that there is": full(),
		"hardly anything":   {ID: "a", Key: "a", Enqueued: at(0)},
	} {
		p, err := encode("calculator", m, at(0))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := p.Headers.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(inbound{message: m, correlationID: m.ID}, decode(delivered(p), at(0)), cmp.AllowUnexported(inbound{})); diff != "" {
			t.Errorf("%s (-sent +received):\n%s", name, diff)
		}
	}
}

// What other languages read and write: docs/wire.md says it, so it stays.
func TestMessageOnTheWire(t *testing.T) {
	t.Parallel()
	got, err := encode("calculator", full(), at(0))
	if err != nil {
		t.Fatal(err)
	}
	want := amqp.Publishing{
		ContentType: "application/json", DeliveryMode: 2, MessageId: "0191-1f", Timestamp: at(0), Expiration: "60123",
		Headers: amqp.Table{
			"destination": "calculator", "procedure": "add", "key": "charge:7", "failures": int64(2), "unread": true, "redelivered": true,
			"expires": int64(1_789_000_060_123), "enqueued": int64(1_789_000_000_000), "not-before": int64(1_789_000_005_001),
			"history":     "1788999999999 failed calculator.1 connection refused: dial\n1788999999000 died -",
			"traceparent": "00-ab-cd-01", "principal": "Zoë: a=b; c", "x-request-id": "7", "empty": "",
		},
		Body: []byte("any\n\nbytes\x00\xff"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("publishing (-want +got):\n%s", diff)
	}
	bare, err := encode("calculator", transports.Message{Body: []byte("{}")}, at(0))
	if err != nil {
		t.Fatal(err)
	}
	if bare.MessageId == "" {
		t.Error("a message without an id is given none")
	}
	bare.MessageId = ""
	want = amqp.Publishing{
		ContentType: "application/json", DeliveryMode: 2, Timestamp: at(0), Body: []byte("{}"),
		Headers: amqp.Table{"destination": "calculator", "enqueued": int64(1_789_000_000_000)},
	}
	if diff := cmp.Diff(want, bare); diff != "" {
		t.Errorf("publishing of a message that says nothing (-want +got):\n%s", diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	header := func(name, value string) transports.Message {
		return transports.Message{Header: map[string]string{name: value}}
	}
	for name, test := range map[string]struct {
		m    transports.Message
		want error
	}{
		"unique":                      {transports.Message{Unique: "report"}, transports.ErrUnsupported},
		"long id":                     {transports.Message{ID: strings.Repeat("x", 256)}, nil},
		"id of two lines":             {transports.Message{ID: "a\nb"}, nil},
		"padded id":                   {transports.Message{ID: " a"}, nil},
		"key of two lines":            {transports.Message{Key: "a\rb"}, nil},
		"padded key":                  {transports.Message{Key: "a "}, nil},
		"header of ours":              {header("expires", "1"), nil},
		"another of ours":             {header("procedure", "1"), nil},
		"header of the broker":        {header("x-death", "1"), nil},
		"header in capitals":          {header("Traceparent", "1"), nil},
		"header without a name":       {header("", "1"), nil},
		"header with a long name":     {header(strings.Repeat("x", 256), "1"), nil},
		"header name of two lines":    {header("a\nb", "1"), nil},
		"header of two lines":         {header("a", "1\n2"), nil},
		"padded header":               {header("a", "1 "), nil},
		"header that fills a frame":   {header("a", strings.Repeat("x", mostHeader)), transports.ErrTooLarge},
		"method that fills a frame":   {transports.Message{Method: strings.Repeat("x", mostHeader+1)}, transports.ErrTooLarge},
		"key that fills half a frame": {transports.Message{Key: strings.Repeat("x", mostHeader+1)}, transports.ErrTooLarge},
	} {
		_, err := encode("calculator", test.m, at(0))
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want one that is %v", name, err, test.want)
		}
	}
	if _, err := encode("calculator", transports.Message{ID: strings.Repeat("x", 255), Header: map[string]string{"x-request-id": "", "a1": "b c"}}, at(0)); err != nil {
		t.Error(err)
	}
}

func TestExpiration(t *testing.T) {
	t.Parallel()
	for expires, want := range map[time.Time]string{
		{}:                                "",
		at(-5_000):                        "1",
		at(0):                             "1",
		at(1):                             "1",
		at(0).Add(1_000_001):              "2", // nanoseconds: never earlier than it should
		at(25_000):                        "25000",
		at(0).Add(longestExpiration):      "4294967295",
		at(1).Add(longestExpiration):      "",
		at(0).Add(100 * 365 * 24 * 60e10): "", // 1000 years or so, as near as a duration comes
	} {
		if got := expiration(expires, at(0)); got != want {
			t.Errorf("expiration at %v, now %v: %q, want %q", expires, at(0), got, want)
		}
	}
}

// A decoding is one message of a stranger, and what becomes of it.
type decoding struct {
	name string
	d    amqp.Delivery
	want inbound // where it has no ID, a fresh one
}

func (test decoding) run(t *testing.T) {
	t.Parallel()
	got := decode(test.d, at(0))
	if test.want.message.ID == "" {
		if !fitsID(got.message.ID) || got.message.Key != got.message.ID || decode(test.d, at(0)).message.ID == got.message.ID {
			t.Errorf("id %q and key %q, want a fresh id for both", got.message.ID, got.message.Key)
		}
		got.message.ID, got.message.Key = "", ""
	}
	if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(inbound{})); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

// What a stranger leaves out or gets wrong is made up for, or overlooked.
func TestDecode(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for _, test := range []decoding{
		{name: "nothing at all"},
		{
			name: "correlation in the message id", d: amqp.Delivery{MessageId: "m", ReplyTo: "replies"},
			want: inbound{message: transports.Message{ID: "m", Key: "m"}, replyTo: "replies", correlationID: "m"},
		},
		{
			name: "correlation of its own", d: amqp.Delivery{MessageId: "m", CorrelationId: "c"},
			want: inbound{message: transports.Message{ID: "m", Key: "m"}, correlationID: "c"},
		},
		{
			name: "an id that nobody could send", d: amqp.Delivery{MessageId: " a\nb"},
			want: inbound{correlationID: " a\nb"},
		},
		{
			name: "names that are too long", d: amqp.Delivery{CorrelationId: long, ReplyTo: long},
		},
		{
			name: "expiration alone counts from now", d: amqp.Delivery{MessageId: "m", Expiration: "2500"},
			want: inbound{message: transports.Message{ID: "m", Key: "m", Expires: at(2_500)}, correlationID: "m"},
		},
		{
			name: "an expiration that is none", d: amqp.Delivery{MessageId: "m", Expiration: "soon"},
			want: inbound{message: transports.Message{ID: "m", Key: "m"}, correlationID: "m"},
		},
		{
			name: "the earlier of two ends: the header", d: amqp.Delivery{MessageId: "m", Expiration: "2500", Headers: amqp.Table{"expires": at(2_000).UnixMilli()}},
			want: inbound{message: transports.Message{ID: "m", Key: "m", Expires: at(2_000)}, correlationID: "m"},
		},
		{
			name: "the earlier of two ends: a clock that is ahead", d: amqp.Delivery{MessageId: "m", Expiration: "2500", Headers: amqp.Table{
				"expires": at(3_600_000).UnixMilli(), "enqueued": at(3_597_500).UnixMilli(),
			}},
			want: inbound{message: transports.Message{ID: "m", Key: "m", Expires: at(2_500), Enqueued: at(0)}, correlationID: "m"},
		},
		{
			name: "a time stamp", d: amqp.Delivery{MessageId: "m", Timestamp: at(-7_000)},
			want: inbound{message: transports.Message{ID: "m", Key: "m", Enqueued: at(-7_000)}, correlationID: "m"},
		},
	} {
		t.Run(test.name, test.run)
	}
}

// Headers are of any type and spelling.
func TestDecodeHeaders(t *testing.T) {
	t.Parallel()
	for _, test := range []decoding{
		{
			name: "numbers of every type", d: amqp.Delivery{MessageId: "m", Headers: amqp.Table{
				"expires": "1789000002000", "enqueued": float64(1_788_999_999_000), "not-before": at(3_000), "failures": int32(2), "deaths": []byte("1"),
			}},
			want: inbound{message: transports.Message{
				ID: "m", Key: "m", Expires: at(2_000), Enqueued: at(-1_000), NotBefore: at(3_000), Failures: 2, Redelivered: true,
			}, correlationID: "m", deaths: 1},
		},
		{
			name: "numbers that are none", d: amqp.Delivery{MessageId: "m", Headers: amqp.Table{
				"expires": int64(-1), "enqueued": amqp.Table{}, "not-before": int64(1 << 62), "failures": int64(-2), "deaths": true, "history": int64(7), "key": nil,
			}},
			want: inbound{message: transports.Message{ID: "m", Key: "m"}, correlationID: "m"},
		},
		{
			name: "a number too large to be exact", d: amqp.Delivery{MessageId: "m", Headers: amqp.Table{"failures": 1e18, "deaths": float32(1e30)}},
			want: inbound{message: transports.Message{ID: "m", Key: "m"}, correlationID: "m"},
		},
		{
			name: "more failures than can be", d: amqp.Delivery{MessageId: "m", Headers: amqp.Table{"failures": int64(1 << 62)}},
			want: inbound{message: transports.Message{ID: "m", Key: "m", Failures: 1_000_000, Redelivered: true}, correlationID: "m"},
		},
		{
			name: "names in any case", d: amqp.Delivery{MessageId: "m", Headers: amqp.Table{
				"Procedure": "add", "Key": "other", "key": "k", "TRACEPARENT": "a", "Traceparent": "b", "Tracestate": "c", "tracestate": "d",
			}},
			want: inbound{message: transports.Message{
				ID: "m", Key: "k", Method: "add", Header: map[string]string{"traceparent": "a", "tracestate": "d"},
			}, correlationID: "m"},
		},
		{
			name: "headers of every type", d: amqp.Delivery{MessageId: "m", Headers: amqp.Table{
				"a": true, "b": int16(-5), "c": 1.5, "d": []byte("bytes"), "e": uint8(7), "f": float32(0.1), "g": at(0), "h": " padded ",
				"none": nil, "table": amqp.Table{"a": "b"}, "list": []any{"a"}, "lines": "a\nb", "white space": "x", "": "x", "under_score": "x",
				"x-death": "x", "x-delivery-count": int64(0), "x-stream-offset": int64(9), "x-request-id": "r",
			}},
			want: inbound{message: transports.Message{ID: "m", Key: "m", Header: map[string]string{
				"a": "true", "b": "-5", "c": "1.5", "d": "bytes", "e": "7", "f": "0.1", "g": "2026-09-10T00:26:40Z", "h": "padded", "x-request-id": "r",
			}}, correlationID: "m"},
		},
		{
			name: "a key that nobody could send on", d: amqp.Delivery{MessageId: "m", Headers: amqp.Table{"key": "a\nb"}},
			want: inbound{message: transports.Message{ID: "m", Key: "m"}, correlationID: "m"},
		},
		{
			name: "history with lines that are none", d: amqp.Delivery{MessageId: "m", Headers: amqp.Table{
				"history": "\nhello\n1789000000000 failed - x y\n5 ended w z\n1789000000001 died w\r\n",
			}},
			want: inbound{message: transports.Message{ID: "m", Key: "m", Redelivered: true, History: []transports.Attempt{
				{At: at(0), Error: "x y"}, {At: at(1), Died: true, Worker: "w"},
			}}, correlationID: "m"},
		},
	} {
		t.Run(test.name, test.run)
	}
}

func TestRedelivered(t *testing.T) {
	t.Parallel()
	death := func(reason string) amqp.Table {
		return amqp.Table{"x-death": []any{amqp.Table{"reason": reason, "queue": "calculator"}}}
	}
	for name, test := range map[string]struct {
		d    amqp.Delivery
		want bool
	}{
		"the first time":             {amqp.Delivery{}, false},
		"it waited for its time":     {amqp.Delivery{Headers: death("expired")}, false},
		"something else":             {amqp.Delivery{Headers: amqp.Table{"x-death": "no list"}}, false},
		"the broker says so":         {amqp.Delivery{Redelivered: true}, true},
		"given out too often":        {amqp.Delivery{Headers: death("delivery_limit")}, true},
		"rejected":                   {amqp.Delivery{Headers: death("rejected")}, true},
		"a quorum queue counts":      {amqp.Delivery{Headers: amqp.Table{"x-delivery-count": int64(1)}}, true},
		"a quorum queue counts none": {amqp.Delivery{Headers: amqp.Table{"x-delivery-count": int64(0)}}, false},
		"a worker says so":           {amqp.Delivery{Headers: amqp.Table{"redelivered": true}}, true},
		"a worker died":              {amqp.Delivery{Headers: amqp.Table{"deaths": int64(1)}}, true},
		"a dead letter":              {amqp.Delivery{Headers: amqp.Table{"unread": true}}, true},
	} {
		if got := decode(test.d, at(0)).message.Redelivered; got != test.want {
			t.Errorf("%s: redelivered %v", name, got)
		}
	}
	if n := decode(amqp.Delivery{Headers: amqp.Table{"x-delivery-count": int64(3)}}, at(0)).deliveries; n != 3 {
		t.Errorf("%d deliveries, want 3", n)
	}
}

// What goes back to its service is what was taken, with what the worker has changed.
func TestAgain(t *testing.T) {
	t.Parallel()
	in := inbound{message: full(), replyTo: "replies", correlationID: "c", deaths: 2}
	if diff := cmp.Diff(in, decode(delivered(in.again("calculator", at(0))), at(0)), cmp.AllowUnexported(inbound{})); diff != "" {
		t.Errorf("taken again (-before +after):\n%s", diff)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	m := transports.Message{ID: "a", Key: "a", Redelivered: true}
	for i := range 50 {
		m.History = append(m.History, transports.Attempt{At: at(int64(-i)), Worker: "a\nb c", Error: "two\nlines\x00 " + strings.Repeat("ä", 5_000)})
	}
	in := inbound{message: m}
	p := in.again("calculator", at(0))
	if n := len(p.Headers[headerHistory].(string)); n > mostHistory*(mostCause+200) {
		t.Errorf("%d bytes of history", n)
	}
	got := decode(delivered(p), at(0)).message.History
	if len(got) != mostHistory {
		t.Fatalf("%d attempts are left, want the latest %d", len(got), mostHistory)
	}
	for i, a := range got {
		if !a.At.Equal(at(int64(-i))) || a.Worker != "a_b_c" || !strings.HasPrefix(a.Error, "two lines  ää") || !strings.HasSuffix(a.Error, "ä…") {
			t.Errorf("attempt %d: %+.80v", i, a)
		}
	}
}

// What says what a message may do is not dropped for a stranger's long header.
func TestFitKeepsWhatCounts(t *testing.T) {
	t.Parallel()
	m := transports.Message{ID: "a", Method: strings.Repeat("m", mostHeader-100), Header: map[string]string{"journeyman-outside": "1", "x": "y", "long": strings.Repeat("l", 200)}}
	fit(&m)
	if m.Header["journeyman-outside"] != "1" || sizeBeside(m) > mostHeader || m.Header["long"] != "" {
		t.Errorf("%d bytes are left, and the headers %v", sizeBeside(m), m.Header)
	}
}
