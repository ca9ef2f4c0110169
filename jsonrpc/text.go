package jsonrpc

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Eight bytes that each have a value, for plain.
const (
	ones = 0x0101010101010101
	tops = 0x80 * ones
)

// plain returns how many bytes at the beginning of data stand for themselves in a
// JSON string: all but quotes, backslashes and control characters. low reports
// whether they are all ASCII. It looks at eight bytes at a time, since bodies may be
// large and are mostly text. See "Determine if a word has a byte less than n" in
// Anderson's Bit Twiddling Hacks: what such a mask says of bytes above the first hit
// may be wrong, so it is asked for that one alone.
func plain(data []byte) (n int, low bool) {
	var seen uint64
	for ; len(data)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(data[n:])
		quote, backslash := w^'"'*ones, w^'\\'*ones
		hits := ((w-' '*ones)&^w | (quote-ones)&^quote | (backslash-ones)&^backslash) & tops
		if hits != 0 {
			first := bits.TrailingZeros64(hits) - 7 // the lowest bit of that byte
			return n + first/8, (seen|w&(1<<first-1))&tops == 0
		}
		seen |= w
	}
	for ; n < len(data); n++ {
		c := data[n]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		seen |= uint64(c)
	}
	return n, seen&tops == 0
}

// unquote returns what a string says. quoted must be one that a scanner accepted.
func unquote(quoted []byte) string {
	rest := quoted[1 : len(quoted)-1]
	at := bytes.IndexByte(rest, '\\')
	if at < 0 {
		return string(rest)
	}
	var text strings.Builder
	text.Grow(len(rest)) // what an escape stands for is never longer
	for ; at >= 0; at = bytes.IndexByte(rest, '\\') {
		text.Write(rest[:at])
		c := rest[at+1]
		rest = rest[at+2:]
		if c != 'u' {
			text.WriteByte(unescaped(c))
			continue
		}
		r := hex4(rest)
		rest = rest[4:]
		if utf16.IsSurrogate(r) {
			low := rune(-1)
			if bytes.HasPrefix(rest, []byte(`\u`)) {
				low = hex4(rest[2:])
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError { // half a pair alone stands for U+FFFD, as in encoding/json
				rest = rest[6:]
			}
		}
		text.WriteRune(r)
	}
	text.Write(rest)
	return text.String()
}

// unescaped returns what a backslash and c stand for.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// hex4 reads four hexadecimal digits.
func hex4(digits []byte) (r rune) {
	for _, c := range digits[:4] {
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendString appends text as a JSON string, as encoding/json writes it without
// its escaping for HTML.
func appendString(dst []byte, text string) []byte {
	start := len(dst)
	dst = append(dst, '"')
	for rest := text; ; {
		n, low := plain([]byte(rest))
		if run := rest[:n]; !low && (!utf8.ValidString(run) || strings.Contains(run, "\u2028") || strings.Contains(run, "\u2029")) {
			dst, _ = appendAny(dst[:start], text) // a string always has a JSON form
			return dst
		}
		dst = append(dst, rest[:n]...)
		if n == len(rest) {
			return append(dst, '"')
		}
		dst = appendEscaped(dst, rest[n])
		rest = rest[n+1:]
	}
}

// appendEscaped appends the escape of a quote, backslash or control character.
func appendEscaped(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
