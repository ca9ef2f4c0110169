package redislist

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A message on the wire is its body, preceded by header lines and a blank line:
//
//	Id: 0191…-1f
//	Reply-To: {journeyman}:r:0191…
//	Expires: 1789000000000
//	Traceparent: 00-…
//
//	{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}
//
// Names are case-insensitive, lines end in LF or CRLF. Times are Unix
// milliseconds by the broker's clock. A message that begins with { or [ is bare:
// all body. So is one whose header cannot be read; its reader will say why.
//
// A reply has the same form, with the Id of its request.
const (
	headerID          = "id"
	headerReplyTo     = "reply-to"
	headerMethod      = "method"
	headerExpires     = "expires"
	headerEnqueued    = "enqueued"
	headerDue         = "due" // from when it could be run, where that is not since it was sent
	headerFailures    = "failures"
	headerRedelivered = "redelivered"
	headerKey         = "key"
	headerUnique      = "unique"
	headerUnread      = "unread"
	headerDeaths      = "deaths"  // written by sweep.lua, counts as the very first line alone; see deathsOf
	headerHistory     = "history" // one line for each attempt, newest first; see attempt
	headerBuried      = "buried"  // when the message was given up
	headerError       = "error"   // why; in a reply: that it was
	headerNonce       = "nonce"   // tells messages without an id apart
)

var ownHeaders = []string{
	headerID, headerReplyTo, headerMethod, headerExpires, headerEnqueued, headerDue, headerFailures, headerRedelivered,
	headerKey, headerUnique, headerUnread, headerDeaths, headerHistory, headerBuried, headerError, headerNonce,
}

// mostHistory bounds what a message carries along of its attempts.
const mostHistory = 20

// A frame is one message in its wire form.
type frame struct {
	transports.Message
	replyTo string
	bare    bool
	deaths  int
	due     time.Time
	buried  time.Time
	err     string
	nonce   string
}

func (f *frame) encode() string {
	var b strings.Builder
	b.Grow(len(f.Body) + 256)
	line := func(name, value string) {
		b.WriteString(name)
		b.WriteString(": ")
		b.WriteString(value)
		b.WriteByte('\n')
	}
	number := func(name string, n int64) {
		if n != 0 {
			line(name, strconv.FormatInt(n, 10))
		}
	}
	number("Deaths", int64(min(f.deaths, mostCounted)))
	for _, a := range f.History[:min(len(f.History), mostHistory)] {
		line("History", encodeAttempt(a))
	}
	if f.ID != "" {
		line("Id", f.ID)
	}
	if f.replyTo != "" {
		line("Reply-To", f.replyTo)
	}
	if f.Method != "" {
		line("Method", oneLine(f.Method))
	}
	number("Expires", unixMilli(f.Expires))
	number("Enqueued", unixMilli(f.Enqueued))
	number("Due", unixMilli(f.due))
	number("Failures", int64(f.Failures))
	if f.Redelivered {
		line("Redelivered", "1")
	}
	if f.Key != "" && f.Key != f.ID {
		line("Key", f.Key)
	}
	if f.Unique != "" {
		line("Unique", f.Unique)
	}
	if f.Unread {
		line("Unread", "1")
	}
	number("Buried", unixMilli(f.buried))
	if f.err != "" {
		line("Error", oneLine(f.err))
	}
	if f.nonce != "" {
		line("Nonce", f.nonce)
	}
	for name, value := range f.Header {
		line(name, value)
	}
	b.WriteByte('\n')
	b.Write(f.Body)
	return b.String()
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// redelivered returns a message as it goes back into the queue after its handler
// has begun. The handler may still hold what was decoded from it.
func redelivered(raw string) string {
	const mark = "Redelivered: 1\n"
	switch {
	case strings.HasPrefix(raw, mark), strings.HasPrefix(raw, "Deaths: "): // it says so already
		return raw
	case isBare(raw):
		return mark + "\n" + raw
	}
	return mark + raw
}

// isBare reports whether a message has no header.
func isBare(raw string) bool { return raw == "" || strings.IndexByte("{[ \t\r\n\v\f", raw[0]) >= 0 }

// oneLine keeps what is only informative from breaking the header.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}

// decode never fails: what has no readable header is a bare message.
func decode(raw string) frame {
	f := frame{deaths: deathsOf(raw)}
	bare := func() frame {
		return frame{bare: true, deaths: f.deaths, Message: transports.Message{Body: []byte(raw)}}
	}
	if isBare(raw) {
		return bare()
	}
	rest := raw
	for {
		line, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return bare()
		}
		rest = after
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !validName(name) {
			return bare()
		}
		f.set(lower(name), strings.TrimSpace(value))
	}
	f.Body = []byte(rest)
	f.bare = f.ID == ""
	f.Key = cmp.Or(f.Key, f.ID)
	f.Redelivered = f.Redelivered || f.deaths > 0
	return f
}

// lower returns a header's name in lower case. Those that every message has cost
// nothing as we write them.
func lower(name string) string {
	switch name {
	case "Id":
		return headerID
	case "Reply-To":
		return headerReplyTo
	case "Method":
		return headerMethod
	case "Expires":
		return headerExpires
	case "Enqueued":
		return headerEnqueued
	}
	return strings.ToLower(name)
}

// deathsOf returns how many workers died while they ran a message. It reads what
// the scripts read, see suspects.lua, and nothing else: where the two disagreed, a
// message could go from one list to the other for ever.
func deathsOf(raw string) int {
	rest, ok := strings.CutPrefix(raw, "Deaths: ")
	if !ok {
		return 0
	}
	digits, _, ok := strings.Cut(rest[:min(len(rest), 4)], "\n")
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return 0
	}
	n, _ := strconv.Atoi(digits)
	return n
}

// mostCounted is the greatest number of deaths that the scripts read.
const mostCounted = 999

func (f *frame) set(name, value string) {
	number := func() int64 {
		n, _ := strconv.ParseInt(value, 10, 64)
		return n
	}
	millis := func() time.Time {
		if n := number(); n > 0 {
			return time.UnixMilli(n)
		}
		return time.Time{}
	}
	switch name {
	case headerID:
		f.ID = value
	case headerReplyTo:
		f.replyTo = value
	case headerMethod:
		f.Method = value
	case headerExpires:
		f.Expires = millis()
	case headerEnqueued:
		f.Enqueued = millis()
	case headerDue:
		f.due = millis()
	case headerFailures:
		f.Failures = int(min(max(number(), 0), 1_000_000)) // a stranger's number must not overflow
	case headerRedelivered:
		f.Redelivered = true
	case headerUnread:
		f.Unread = true
	case headerDeaths: // see deathsOf
	case headerHistory:
		f.History = append(f.History, decodeAttempt(value))
	case headerKey:
		f.Key = value
	case headerUnique:
		f.Unique = value
	case headerBuried:
		f.buried = millis()
	case headerError:
		f.err = value
	case headerNonce:
		f.nonce = value
	default:
		if f.Header == nil {
			f.Header = make(map[string]string, 4)
		}
		f.Header[name] = value
	}
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
	worker := cmp.Or(strings.Join(strings.Fields(a.Worker), "_"), "-")
	return strings.TrimSpace(fmt.Sprintf("%d %s %s %s", a.At.UnixMilli(), ended, worker, oneLine(short(a.Error, 512))))
}

func decodeAttempt(s string) transports.Attempt {
	at, rest, _ := strings.Cut(s, " ")
	ended, rest, _ := strings.Cut(rest, " ")
	worker, cause, _ := strings.Cut(rest, " ")
	ms, _ := strconv.ParseInt(at, 10, 64)
	if worker == "-" {
		worker = ""
	}
	return transports.Attempt{At: time.UnixMilli(ms), Died: ended == "died", Worker: worker, Error: cause}
}

// encodeReply returns the wire form of a reply to the message called id.
func encodeReply(id string, body []byte) []byte {
	return slices.Concat([]byte("Id: "), []byte(id), []byte("\n\n"), body)
}

// givenUp stands in front of the Error of a reply whose request is a dead letter.
const givenUp = "given up: "

// encodeNoReply returns the reply to a message that will never be answered.
func encodeNoReply(id, why string) []byte {
	return fmt.Appendf(nil, "Id: %s\nError: %s\n\n", id, oneLine(why))
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return s != ""
}

// checkHeader refuses what would not arrive as it was sent.
func checkHeader(header map[string]string) error {
	for name, value := range header {
		switch {
		case !validName(name) || name != strings.ToLower(name):
			return fmt.Errorf("header %q: names are lower-case letters, digits and hyphens", name)
		case slices.Contains(ownHeaders, name):
			return fmt.Errorf("header %q belongs to the transport", name)
		case strings.ContainsAny(value, "\r\n"):
			return errors.New("header " + name + ": the value has a line break")
		case strings.TrimSpace(value) != value:
			return errors.New("header " + name + ": the value begins or ends with white space")
		}
	}
	return nil
}
