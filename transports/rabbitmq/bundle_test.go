package rabbitmq

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// replyTo is what a call with this correlation id waits for.
func replyTo(id, body string, expires time.Time) *reply {
	in := inbound{correlationID: id, message: transports.Message{Expires: expires}}
	return &reply{entry: &entry{in: in}, body: []byte(body)}
}

// A pair is a reply as it is read.
type pair struct{ ID, Body string }

func pairs(body []byte) (read []pair, whole bool) {
	whole = unbundle(body, func(id string, reply []byte) { read = append(read, pair{id, string(reply)}) })
	return read, whole
}

func TestBundle(t *testing.T) {
	t.Parallel()
	now := at(0)
	soon, late := now.Add(time.Second), now.Add(time.Minute)
	want := []pair{{"c1", `{"result":1}`}, {"", ""}, {"with spaces 12 ", "1 x\n2 y\n"}, {"\x00\xff", "\n"}, {strings.Repeat("c", mostShort), "5"}}
	for name, c := range map[string]struct {
		expires    []time.Time
		expiration string
	}{
		"that expire":              {[]time.Time{soon, late, soon, soon, soon}, "120000"}, // as the last of them, and a minute
		"one of which is for ever": {[]time.Time{soon, late, {}, soon, soon}, ""},
	} {
		var replies []*reply
		for i, p := range want {
			replies = append(replies, replyTo(p.ID, p.Body, c.expires[i]))
		}
		message := encodeReplies(replies, now)
		got, whole := pairs(message.Body)
		if diff := cmp.Diff(want, got); diff != "" || !whole {
			t.Errorf("replies %s: whole %v (-want +got):\n%s", name, whole, diff)
		}
		message.Body = nil
		plain := amqp.Publishing{ContentType: bundleType, DeliveryMode: amqp.Transient, Timestamp: now, Expiration: c.expiration}
		if diff := cmp.Diff(plain, message); diff != "" {
			t.Errorf("properties of replies %s (-want +got):\n%s", name, diff)
		}
	}
	lone := replyTo("c1", "1", soon)
	if diff := cmp.Diff(encodeReply(lone.entry.in, lone.body, "", now), encodeReplies([]*reply{lone}, now)); diff != "" {
		t.Errorf("a lone reply (-plain +got):\n%s", diff)
	}
}

// Replies say from which queue their requests were taken, where there is one for all.
func TestBundlesTellTheQueue(t *testing.T) {
	t.Parallel()
	from := func(queue string, kind kind) *reply {
		r := replyTo("c", "1", at(0))
		r.entry.queue, r.entry.kind = queue, kind
		return r
	}
	for want, cases := range map[string][][]*reply{
		calculator: {
			{from(calculator, ordinaryWork)},
			{from(calculator, ordinaryWork), from(calculator, ordinaryWork)},
		},
		"": {
			{from(calculator, suspectWork)},
			{from(calculator, ordinaryWork), from("calculator.method.add", ordinaryWork), from(calculator, ordinaryWork)},
			{from(calculator, suspectWork), from(calculator, ordinaryWork)},
			{from(calculator, ordinaryWork), from(calculator, loneWork)},
		},
	} {
		for i, replies := range cases {
			if got := encodeReplies(replies, at(0)).Type; got != want {
				t.Errorf("%d: the replies say %q, want %q", i, got, want)
			}
		}
	}
}

// What cannot be read is left, and what came before it is not.
func TestHostileBundles(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]pair{
		"x":                         nil,
		"\n":                        nil,
		"1\n1":                      nil, // no id
		" c\n1":                     nil, // no length
		"1 c":                       nil, // no end of the line
		"0 c":                       nil,
		"-1 c\n1":                   nil,
		"2 c\n1":                    nil, // more than there is
		"99999999999999999999 c\n1": nil,
		"9223372036854775807 c\n1":  nil,
		"0x1 c\n1":                  nil,
		"1 c\n12 d\n":               {{"c", "1"}},
		"1 c\n1rest":                {{"c", "1"}},
		"0 c\n0 d\n\n":              {{"c", ""}, {"d", ""}},
		"1 c\n11 d\n2\n3 e\n123":    {{"c", "1"}, {"d", "2"}}, // an empty line between
	} {
		got, whole := pairs([]byte(body))
		if diff := cmp.Diff(want, got); diff != "" || whole {
			t.Errorf("%q: read to its end: %v (-want +got):\n%s", body, whole, diff)
		}
	}
	if got, whole := pairs(nil); !whole || got != nil {
		t.Errorf("nothing: %v, read to its end: %v", got, whole)
	}
}

// Whoever can publish to a reply queue can send anything, and whoever calls can choose any
// correlation id.
func FuzzUnbundle(f *testing.F) {
	f.Add([]byte("1 c\n12 d\n34"), "c", "d")
	f.Add([]byte("0 c\n"), "", "5 x")
	f.Add([]byte("-1 c\n1"), "a b", "\x00")
	f.Add([]byte("99999999999999999999 c\n1"), "1", strings.Repeat("c", mostShort))
	f.Add([]byte("+1 c\n1\n\n"), "\xff", "\r")
	f.Fuzz(func(t *testing.T, body []byte, id, other string) {
		length := 0
		whole := unbundle(body, func(id string, reply []byte) {
			length += len(id) + len(reply) + len("0 \n")
			if cap(reply) != len(reply) {
				t.Fatal("whoever appends to a reply writes into the next one")
			}
		})
		if length > len(body) || whole && len(body) > 0 && length == 0 {
			t.Fatalf("of %d bytes at least %d are read, to the end: %v", len(body), length, whole)
		}

		if strings.Contains(id+other, "\n") {
			return // such a reply travels alone
		}
		want := []pair{{id, string(body)}, {other, ""}, {id, other}}
		var replies []*reply
		for _, p := range want {
			replies = append(replies, replyTo(p.ID, p.Body, time.Time{}))
		}
		message := encodeReplies(replies, at(0))
		checkSendable(t, message)
		got, whole := pairs(message.Body)
		if diff := cmp.Diff(want, got); diff != "" || !whole {
			t.Fatalf("read to the end: %v (-want +got):\n%s", whole, diff)
		}
	})
}

// A bundle is bounded, but for a reply that is larger than all of it may be.
func TestFitting(t *testing.T) {
	t.Parallel()
	many := func(n, size int) (replies []*reply) {
		for range n {
			replies = append(replies, &reply{body: bytes.Repeat([]byte("x"), size)})
		}
		return replies
	}
	for _, c := range []struct {
		replies []*reply
		want    int
	}{
		{many(1, 0), 1},
		{many(mostBundled, 1), mostBundled},
		{many(mostBundled+1, 1), mostBundled},
		{many(3, bundleBytes/2), 2},
		{append(many(1, 1), many(1, bundleBytes)...), 1},
		{append(many(1, DefaultMaxMessage), many(1, 1)...), 1},
	} {
		if got := fitting(c.replies); got != c.want {
			t.Errorf("of %d replies, the first of %d bytes, %d leave together, want %d", len(c.replies), len(c.replies[0].body), got, c.want)
		}
	}
}

// A call's own process reads a bundle as it reads single replies.
func TestBundleIsHandedOut(t *testing.T) {
	t.Parallel()
	var notes notebook
	tr := &Transport{}
	var o Options
	notes.noted(&o, nil)
	tr.log = o.Log
	r := newReplies(tr)
	waiting := make(map[string]chan answer)
	for _, id := range []string{"1", "2", "3"} {
		waiting[id], _ = r.expect(id)
	}
	r.dispatch(amqp.Delivery{ContentType: bundleType, Body: []byte("3 1\none0 2\n5 nobody\nthree9 3\nrest")})
	for id, want := range map[string]string{"1": "one", "2": ""} {
		if got := await(t, "the reply to "+id, waiting[id]); string(got.body) != want || got.body == nil || got.err != nil {
			t.Errorf("call %s: reply %q, error %v, want %q", id, got.body, got.err, want)
		}
	}
	if n := tr.Counts().LateReplies; n != 1 || len(waiting["3"]) > 0 {
		t.Errorf("%d late replies are counted, want 1; the third call has %d, want none", n, len(waiting["3"]))
	}
	if text := notes.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, fmt.Sprint("bytes=", len("3 1\none0 2\n5 nobody\nthree9 3\nrest"))) {
		t.Errorf("the rest that cannot be read is logged as %q", text)
	}
}
