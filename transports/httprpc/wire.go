package httprpc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A request on the wire:
//
//	POST /rpc/calculator HTTP/1.1
//	Content-Type: application/json
//	Journeyman-Id: 4XKDQJ…-1f
//	Journeyman-Method: add
//	Journeyman-Timeout: 24870
//	Traceparent: 00-…
//
//	{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}
//
// docs/wire.md says what each header means. Values that are more than visible ASCII
// are percent-encoded.
const (
	headerID      = "Journeyman-Id"
	headerMethod  = "Journeyman-Method"
	headerTimeout = "Journeyman-Timeout"
	headerKey     = "Idempotency-Key"
	headerPrefer  = "Prefer"             // RFC 7240
	headerRefused = "Journeyman-Refused" // in a reply: that it is none of the service, and why
	headerPrefix  = "Journeyman-Header-" // of all that is handed to the handler

	respondAsync = "respond-async" // nobody waits for the reply
	contentType  = "application/json"
	pathPrefix   = "/rpc/"
)

// Why a request is refused, in a word. Only a server that knows whether it began a
// request can say so; what stands between it and its callers answers without one.
const (
	refusedBusy     = "busy"       // too many wait; nothing was begun
	refusedDraining = "draining"   // the process is stopping; nothing was begun
	refusedNotMine  = "not-mine"   // the handler left it to another process
	refusedNobody   = "no-service" // not served at this address
	refusedKey      = "key"        // none was shown, or one that is not known
	refusedBrowser  = "browser"    // it comes from a web page
	refusedLarge    = "too-large"
	refusedRequest  = "request"  // method, content type or a header is wrong
	refusedDeadline = "deadline" // it has passed
	refusedFailed   = "failed"   // it was begun, and there will be no reply
)

// wellKnown headers travel under their own names, because everybody knows them.
func wellKnown(name string) bool {
	switch name {
	case "traceparent", "tracestate", "baggage", "x-request-id":
		return true
	}
	return false
}

// appendHeaders appends what is said of m beside its body, as lines. remaining is the
// time until it expires, zero if it never does.
func appendHeaders(b []byte, m *transports.Message, remaining time.Duration) ([]byte, error) {
	b = appendLine(b, headerID, encode(m.ID))
	if m.Method != "" {
		b = appendLine(b, headerMethod, encode(m.Method))
	}
	if m.Key != "" {
		b = appendLine(b, headerKey, encode(m.Key))
	}
	if remaining > 0 {
		b = append(b, headerTimeout+": "...)
		b = strconv.AppendInt(b, millis(remaining), 10)
		b = append(b, '\r', '\n')
	}
	for name, value := range m.Header {
		switch {
		case !validName(name):
			return nil, fmt.Errorf("header %q: names are lower-case letters, digits and hyphens", name)
		case strings.ContainsAny(value, "\r\n"):
			return nil, fmt.Errorf("header %s: the value has a line break", name)
		case wellKnown(name) && plain(value) && value != "":
			b = appendLine(b, name, value)
		default:
			b = append(b, headerPrefix...)
			b = appendLine(b, name, encode(value))
		}
	}
	return b, nil
}

func appendLine(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ':', ' ')
	b = append(b, value...)
	return append(b, '\r', '\n')
}

// millis rounds up, so that a server's clock never ends what its caller still waits for.
func millis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// decodeMessage returns what a request's headers say of its message, which arrived at now.
func decodeMessage(h http.Header, now time.Time) (m transports.Message, async bool, err error) {
	m.ID, m.Method, m.Key = decode(h.Get(headerID)), decode(h.Get(headerMethod)), decode(h.Get(headerKey))
	m.Enqueued = now
	if texts := h.Values(headerTimeout); len(texts) > 0 {
		ms, err := strconv.ParseInt(texts[0], 10, 64)
		if err != nil || ms < 1 || len(texts) > 1 {
			return m, false, errors.New(headerTimeout + " must be a whole number of milliseconds, from 1")
		}
		m.Expires = now.Add(time.Duration(min(ms, mostMillis) * int64(time.Millisecond)))
	}
	for name, values := range h {
		label, ours := strings.CutPrefix(name, headerPrefix)
		label = strings.ToLower(label)
		switch {
		case ours && validName(label):
			m.Header = set(m.Header, label, decode(values[0]))
		case wellKnown(strings.ToLower(name)):
			// Their specifications allow several lines, to be read as one list.
			m.Header = set(m.Header, strings.ToLower(name), strings.Join(values, ","))
		}
	}
	for _, list := range h.Values(headerPrefer) {
		for p := range strings.SplitSeq(list, ",") {
			name, _, _ := strings.Cut(p, ";")
			async = async || strings.EqualFold(strings.TrimSpace(name), respondAsync)
		}
	}
	return m, async, nil
}

// mostMillis keeps a stranger's number from overflowing: thirty years.
const mostMillis = 1e12

func set(header map[string]string, name, value string) map[string]string {
	if header == nil {
		header = make(map[string]string, 4)
	}
	header[name] = value
	return header
}

// validName holds for names that come through every proxy as they are.
func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// plain reports whether s can stand in a header as it is.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) && strings.TrimSpace(s) == s
}

// encode percent-encodes what is more than visible ASCII, and the percent sign.
func encode(s string) string {
	bare := func(c byte) bool { return c > ' ' && c <= '~' && c != '%' }
	n := 0
	for i := range len(s) {
		if !bare(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; bare(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

// decode undoes encode. What was not encoded, as by callers who know nothing of it, is left as it is.
func decode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// isJSON reports whether a content type is JSON's, with or without parameters.
func isJSON(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	return strings.EqualFold(strings.TrimSpace(kind), contentType)
}

// encoded reports whether a body is compressed or otherwise not itself.
func encoded(h http.Header) bool {
	return slices.ContainsFunc(h.Values("Content-Encoding"), func(v string) bool { return !strings.EqualFold(v, "identity") })
}
