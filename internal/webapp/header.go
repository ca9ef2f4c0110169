package webapp

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A Header is that of HTTP. In JSON it is an object of lists:
//
//	{"Content-Type":["text/plain"],"Set-Cookie":["a=1","b=2"]}
//
// JSON's strings are Unicode, while HTTP's values are bytes. So each character from
// U+0000 to U+00FF stands for one byte, as in PEP 3333 and in the Fetch standard
// ("isomorphic decode"), and whatever an app writes arrives byte for byte.
type Header http.Header

// MarshalJSON implements json.Marshaler. What no HTTP message can hold is left out, or a
// space, as when net/http writes a header.
func (h Header) MarshalJSON() ([]byte, error) {
	lists := make(map[string][]string, len(h))
	for name, values := range h {
		if !isToken(name) {
			continue
		}
		list := make([]string, len(values))
		for i, value := range values {
			list[i] = toCharacters(value)
		}
		lists[name] = list
	}
	return json.Marshal(lists)
}

// UnmarshalJSON implements json.Unmarshaler. It fails for what no HTTP message can
// hold: a name that is no token, a value with a line break.
func (h *Header) UnmarshalJSON(text []byte) error {
	var lists map[string][]string
	if err := json.Unmarshal(text, &lists); err != nil {
		return err
	}
	*h = make(Header, len(lists))
	for _, name := range slices.Sorted(maps.Keys(lists)) { // two may differ in case alone
		list := lists[name]
		if !isToken(name) {
			return fmt.Errorf("header %.100q: the name is none of HTTP's", name)
		}
		name = http.CanonicalHeaderKey(name)
		for _, characters := range list {
			value, ok := toBytes(characters)
			if !ok {
				return fmt.Errorf("header %s: the value holds what no header can", name)
			}
			(*h)[name] = append((*h)[name], value)
		}
	}
	return nil
}

// toCharacters returns a text with one character for each byte.
func toCharacters(value string) string {
	characters := make([]rune, len(value))
	for i := range len(value) {
		if characters[i] = rune(value[i]); isControl(characters[i]) {
			characters[i] = ' '
		}
	}
	return strings.Trim(string(characters), " \t")
}

// toBytes undoes toCharacters. ok is false for more than a byte, and for a control
// character, which might end the line.
func toBytes(characters string) (value string, ok bool) {
	b := make([]byte, 0, len(characters))
	for _, c := range characters {
		if c > 0xff || isControl(c) {
			return "", false
		}
		b = append(b, byte(c)) //nolint:gosec // it has been looked at
	}
	return strings.Trim(string(b), " \t"), true
}

// isControl holds for what no value may contain (RFC 9110, section 5.5).
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// isToken holds for names of headers and methods (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}

// DropConnection deletes what is said to the next hop alone, and not to the app or the
// browser behind it (RFC 9110, section 7.6.1). Trailers are among it, since whoever
// reads a message has the whole of it at once.
func DropConnection(h http.Header) {
	for _, list := range h.Values("Connection") {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{
		"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade",
	} {
		h.Del(name)
	}
}
