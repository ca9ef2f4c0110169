package redislist

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func TestFrameRoundTrip(t *testing.T) {
	t.Parallel()
	in := frame{
		Message: transports.Message{
			ID: "0191-1f", Method: "add", Body: []byte("any\n\nbytes\x00\xff"),
			Header:  map[string]string{"traceparent": "00-ab-cd-01", "principal": "a: b"},
			Expires: time.UnixMilli(1_789_000_000_123), Enqueued: time.UnixMilli(1_788_999_999_999),
			Failures: 2, Redelivered: true, Key: "charge:7", Unique: "order 7",
			History: []transports.Attempt{
				{At: time.UnixMilli(1_788_999_999_999), Worker: "calculator.1", Error: "connection refused: dial"},
				{At: time.UnixMilli(1_788_999_999_000), Died: true},
			},
		},
		replyTo: "{journeyman}:r:0191", deaths: 1, buried: time.UnixMilli(1_789_000_000_000), err: "two attempts", nonce: "n",
	}
	got := decode(in.encode())
	if diff := cmp.Diff(in, got, cmp.AllowUnexported(frame{})); diff != "" {
		t.Errorf("decoded frame differs (-sent +received):\n%s", diff)
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, raw, id, body string
		bare                bool
		deaths              int
	}{
		{name: "bare object", raw: `{"id":"x"}`, body: `{"id":"x"}`, bare: true},
		{name: "bare batch", raw: `[1]`, body: `[1]`, bare: true},
		{name: "white space first", raw: "\n{}", body: "\n{}", bare: true},
		{name: "empty", bare: true},
		{name: "no header at all", raw: "hello", body: "hello", bare: true},
		{name: "header without an end", raw: "Id: 1\nfoo: bar", body: "Id: 1\nfoo: bar", bare: true},
		{name: "a line that is no header", raw: "Id: 1\nwhat is this\n\n{}", body: "Id: 1\nwhat is this\n\n{}", bare: true},
		{name: "LF", raw: "Id: 1\n\n{}", id: "1", body: "{}"},
		{name: "CRLF", raw: "Id: 1\r\nX: y\r\n\r\n{}", id: "1", body: "{}"},
		{name: "names in any case", raw: "iD:1\n\n{}", id: "1", body: "{}"},
		{name: "a death written in front of a header", raw: "Deaths: 2\nId: 1\n\n{}", id: "1", body: "{}", deaths: 2},
		{name: "a death written in front of a bare request", raw: "Deaths: 1\n\n{}", body: "{}", bare: true, deaths: 1},
		{name: "empty body", raw: "Id: 1\n\n", id: "1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := decode(test.raw)
			if f.ID != test.id || string(f.Body) != test.body || f.bare != test.bare || f.deaths != test.deaths {
				t.Errorf("decode(%q) = id %q, body %q, bare %v, deaths %d", test.raw, f.ID, f.Body, f.bare, f.deaths)
			}
			if f.Redelivered != (test.deaths > 0) {
				t.Errorf("redelivered = %v after %d deaths", f.Redelivered, test.deaths)
			}
		})
	}
}

// Nothing that is pushed into a queue may stop a worker, and a message that goes
// through a worker keeps its body.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "{", "[]", "Id: 1\n\n{}", "Deaths: 99999999999999999999\n\n{}", "Expires: -1\r\n\r\n\x00", "Id:\n\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		first := decode(raw)
		if !strings.HasSuffix(raw, string(first.Body)) {
			t.Fatalf("body %q is not the end of %q", first.Body, raw)
		}
		first.Redelivered = true
		second := decode(first.encode())
		if string(second.Body) != string(first.Body) || second.ID != first.ID || second.replyTo != first.replyTo {
			t.Fatalf("%+v became %+v", first, second)
		}
		bareReplyList(first.Body)
	})
}

func TestReplies(t *testing.T) {
	t.Parallel()
	if f := decode(string(encodeReply("p-1", []byte("a\n\nb")))); f.ID != "p-1" || string(f.Body) != "a\n\nb" || f.err != "" {
		t.Errorf("an answer became %+v", f)
	}
	if f := decode(string(encodeNoReply("p-1", "4 workers\ndied"))); f.ID != "p-1" || f.err != "4 workers died" {
		t.Errorf("the word that there is no answer became %+v", f)
	}
}

func TestCheckHeader(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"Traceparent": "upper case", "id": "x", "reply-to": "x", "expires": "1", "a b": "x", "": "x",
		"x": "a\nReply-To: {journeyman}:r:y", "y": "a\r", "z": " padded",
	} {
		if checkHeader(map[string]string{name: value}) == nil {
			t.Errorf("header %q: %q was accepted", name, value)
		}
	}
	if err := checkHeader(map[string]string{"traceparent": "00-a-b-01", "x-1": ""}); err != nil {
		t.Error(err)
	}
}

func TestBareReplyList(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, body, want string }{
		{"the article's request", `{"id":"Ke43jnGeQsk2z9GYvFmrax","jsonrpc":"2.0","method":"add","params":[1,5.1]}`, "Ke43jnGeQsk2z9GYvFmrax"},
		{"white space first", "\n " + `{"id":"abcdefgh1"}`, "abcdefgh1"},
		{"short", `{"id":"abcdef1"}`, ""},
		{"eight bytes", `{"id":"abcdef12"}`, "abcdef12"},
		{"too long", `{"id":"` + strings.Repeat("1", 129) + `"}`, ""},
		{"name of a service", `{"id":"calculator"}`, ""},
		{"a derived key", `{"id":"{calculator}:workers"}`, ""},
		{"somebody's key with a colon", `{"id":"queue:default"}`, ""},
		{"number", `{"id":1234567890}`, ""},
		{"null", `{"id":null}`, ""},
		{"none", `{"method":"add"}`, ""},
		{"another name", `{"ID":"abcdefgh1"}`, ""},
		{"first fit one of a batch", `[{"id":1},{"id":"calculator"},{"id":"abcdefgh1"},{"id":"abcdefgh2"}]`, "abcdefgh1"},
		{"batch of none", `[1,2]`, ""},
		{"no JSON", `hello`, ""},
		{"half a request", `{"id":"abcdefgh1"`, ""},
	} {
		if got := bareReplyList([]byte(test.body)); got != test.want {
			t.Errorf("%s: reply list %q, want %q", test.name, got, test.want)
		}
	}
}

func TestReplyToMustBeAReplyList(t *testing.T) {
	t.Parallel()
	k := newKeys("shop")
	own := k.replies("01234567-89ab-cdef-0123-456789abcdef")
	if !k.isReplies(own) {
		t.Errorf("%s is not taken for a reply list", own)
	}
	for _, key := range []string{"", "calculator", "{shop:calculator}:w:01234567-89ab-cdef-0123-456789abcdef", own + "x", "{journeyman}:r:01234567-89ab-cdef-0123-456789abcdef"} {
		if k.isReplies(key) {
			t.Errorf("%s is taken for a reply list", key)
		}
	}
}

func TestRedelivered(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"id":1}`:               "Redelivered: 1\n\n{\"id\":1}",
		"Id: 1\n\n{}":            "Redelivered: 1\nId: 1\n\n{}",
		"Redelivered: 1\n\n{}":   "Redelivered: 1\n\n{}",
		"Deaths: 2\nId: 1\n\n{}": "Deaths: 2\nId: 1\n\n{}",
	} {
		got := redelivered(raw)
		if got != want || !decode(got).Redelivered {
			t.Errorf("%q became %q, want %q", raw, got, want)
		}
	}
}
