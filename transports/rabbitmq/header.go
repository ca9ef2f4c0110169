package rabbitmq

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// headers are those of a message, under lower-case names. Other languages' clients
// write numbers, booleans and times of many types, and some write all as strings.
type headers map[string]any

// fold returns a message's headers under lower-case names. Of several that differ in
// case the one in lower case counts.
func fold(t amqp.Table) headers {
	h := headers(t)
	var odd []string
	for name := range t {
		if strings.ToLower(name) != name {
			odd = append(odd, name)
		}
	}
	if len(odd) == 0 {
		return h
	}
	h = maps.Clone(h)
	slices.Sort(odd)
	for _, name := range odd {
		delete(h, name)
		if _, ok := h[strings.ToLower(name)]; !ok {
			h[strings.ToLower(name)] = t[name]
		}
	}
	return h
}

// text returns what a scalar says, "" where there is none.
func (h headers) text(name string) string {
	s, _ := scalar(h[name])
	return s
}

// scalar returns a header's value as text. Tables and lists have none.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	case bool, int, int8, int16, int32, int64, uint8, uint16, uint32:
		return fmt.Sprint(v), true
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case time.Time:
		return v.UTC().Format(time.RFC3339), true
	}
	return "", false
}

// number returns the whole number that a value is, or says.
func number(v any) (int64, bool) {
	switch v := v.(type) {
	case nil:
		return 0, false
	case int64: // as our own are
		return v, true
	case float32:
		return number(float64(v))
	case float64:
		if math.Abs(v) > 1<<53 || math.IsNaN(v) {
			return 0, false
		}
		return int64(v), true
	case time.Time:
		return v.UnixMilli(), true
	case bool:
		return 0, false
	}
	s, ok := scalar(v)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n, err == nil
}

// time returns when a number of Unix milliseconds is, zero where it is none.
func (h headers) time(name string) time.Time {
	ms, _ := number(h[name])
	return timeOf(ms)
}

// timeOf returns when so many Unix milliseconds are, zero for what is no time of ours.
func timeOf(ms int64) time.Time {
	const year9999 = 253_402_300_799_999 // later ones have no form in JSON
	if ms <= 0 || ms > year9999 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// count returns a number that counts something. A stranger's must not overflow.
func (h headers) count(name string) int {
	n, _ := number(h[name])
	return int(min(max(n, 0), 1_000_000))
}

func (h headers) is(name string) bool {
	switch h.text(name) {
	case "true", "1":
		return true
	}
	return false
}

// others returns what is the sender's own, as far as it could be sent on.
func (h headers) others() map[string]string {
	var out map[string]string
	for name, value := range h {
		if !validName(name) || isOurs(name) || isBrokers(name) {
			continue
		}
		text, ok := scalar(value)
		if !ok {
			continue
		}
		text = strings.TrimSpace(text)
		if strings.ContainsAny(text, "\r\n") {
			continue
		}
		if out == nil {
			out = make(map[string]string, len(h))
		}
		out[name] = text
	}
	return out
}

func isOurs(name string) bool { return slices.Contains(ownHeaders, name) }

// isBrokers reports whether a header is one of those that brokers write or act upon.
// They are not all of those that begin with x-, such as x-request-id.
func isBrokers(name string) bool {
	return slices.ContainsFunc([]string{
		"x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-stream-",
		"x-opt-", "x-received-from", "x-shovelled", "x-match", "x-delay", "x-deduplication-",
	}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

func checkName(name string) error {
	switch {
	case !validName(name):
		return fmt.Errorf("header %.300q: names are lower-case letters, digits and hyphens, up to %d of them", name, mostShort)
	case isOurs(name):
		return fmt.Errorf("header %q belongs to the transport", name)
	case isBrokers(name):
		return fmt.Errorf("header %q belongs to the broker", name)
	}
	return nil
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= mostShort
}

// checkHeader refuses what would not arrive as it was sent, here or on another
// transport: a service is not to find out by moving.
func checkHeader(header map[string]string) error {
	for name, value := range header {
		if err := checkName(name); err != nil {
			return err
		}
		switch {
		case strings.ContainsAny(value, "\r\n"):
			return errors.New("header " + name + ": the value has a line break")
		case strings.TrimSpace(value) != value:
			return errors.New("header " + name + ": the value begins or ends with white space")
		}
	}
	return nil
}

// checkSize refuses a message of which more is said beside the body than mostHeader.
// AMQP wants it all in one frame, whose limit is 128 KiB unless somebody has lowered
// it, and what exceeds that costs the whole connection. The rest of the frame is for
// history, reason and what brokers add.
func checkSize(m transports.Message) error {
	if n := sizeBeside(m); n > mostHeader {
		return fmt.Errorf("%w: %d bytes of headers, key and method, the limit is %d", transports.ErrTooLarge, n, mostHeader)
	}
	return nil
}

func sizeBeside(m transports.Message) int {
	n := len(m.Method) + len(m.Key)
	for name, value := range m.Header {
		n += len(name) + len(value) + 8 // its type and lengths
	}
	return n
}

// fit drops of a stranger's message what could not be sent on, the longest first. Names that
// begin with journeyman- stay: they say what a message may do, and are short.
func fit(m *transports.Message) {
	size := sizeBeside(*m)
	if size <= mostHeader {
		return
	}
	names := slices.SortedFunc(maps.Keys(m.Header), func(a, b string) int { return len(m.Header[b]) - len(m.Header[a]) })
	for _, name := range names {
		if size <= mostHeader {
			return
		}
		if strings.HasPrefix(name, "journeyman-") {
			continue
		}
		size -= len(name) + len(m.Header[name]) + 8
		delete(m.Header, name)
	}
	if size > mostHeader {
		m.Method = cut(m.Method, mostHeader/4)
	}
	if len(m.Key) > mostHeader/2 {
		m.Key = m.ID
	}
}

// fitsID reports whether s can be a message's ID.
func fitsID(s string) bool { return s != "" && len(s) <= mostShort && isTrimmedLine(s) }

func isTrimmedLine(s string) bool { return oneLine(s) == s && strings.TrimSpace(s) == s }

// oneLine keeps what is only informative from breaking a line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// cut shortens a text to so many bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// property returns s where it can be a property, and "" where it cannot.
func property(s string) string {
	if len(s) > mostShort {
		return ""
	}
	return s
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
