package jsonrpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deeply values may be nested. encoding/json allows 10 000;
// no parameters need that, and each level costs stack.
const maxDepth = 1000

// A scanner walks over JSON text by RFC 8259, strictly: strings are valid UTF-8
// and nothing is repaired. It exists because encoding/json folds the case of
// names, lets the last of two equal names win and replaces invalid UTF-8, any of
// which would let two readers of one request disagree about what it says. It
// keeps no copies: what it finds are slices of data.
type scanner struct {
	data []byte
	pos  int
}

func (s *scanner) fail(why string) error {
	return fmt.Errorf("%s at byte %d", why, s.pos)
}

// peek returns the byte at the current position, 0 at the end. NUL is legal
// nowhere in JSON, so the two need not be told apart.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// end returns an error unless nothing but white space is left.
func (s *scanner) end() error {
	s.space()
	if s.pos < len(s.data) {
		return s.fail("unexpected data after the value")
	}
	return nil
}

// next moves to the following member of an object or element of an array, whose
// opening bracket has been passed. It returns false once it has passed the
// closing one.
func (s *scanner) next(closing byte, first bool) (bool, error) {
	s.space()
	switch c := s.peek(); {
	case c == closing:
		s.pos++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.pos++
		s.space()
		return true, nil
	}
	return false, s.fail(fmt.Sprintf("want ',' or %q", closing))
}

// name reads a member's name with its colon and stops at its value.
func (s *scanner) name() ([]byte, error) {
	quoted, escaped, err := s.str()
	if err != nil {
		return nil, err
	}
	s.space()
	if s.peek() != ':' {
		return nil, s.fail("want ':'")
	}
	s.pos++
	s.space()
	if escaped {
		return []byte(unquote(quoted)), nil
	}
	return quoted[1 : len(quoted)-1], nil
}

// value reads one value, of which depth others are around it.
func (s *scanner) value(depth int) (json.RawMessage, error) {
	start := s.pos
	if err := s.skip(depth); err != nil {
		return nil, err
	}
	return json.RawMessage(s.data[start:s.pos:s.pos]), nil
}

func (s *scanner) skip(depth int) error {
	switch c := s.peek(); {
	case c == '"':
		_, _, err := s.str()
		return err
	case c == '{' || c == '[':
		return s.skipNested(c, depth)
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case s.pos == len(s.data):
		return s.fail("unexpected end")
	}
	return s.fail("want a value")
}

func (s *scanner) skipNested(opening byte, depth int) error {
	if depth >= maxDepth {
		return s.fail(fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	closing := opening + 2 // '[' and ']', '{' and '}' lie two apart
	s.pos++
	for first := true; ; first = false {
		more, err := s.next(closing, first)
		if !more {
			return err
		}
		if opening == '{' {
			if _, err := s.name(); err != nil {
				return err
			}
		}
		if err := s.skip(depth + 1); err != nil {
			return err
		}
	}
}

// str reads a string and returns it with its quotes.
func (s *scanner) str() (quoted []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.fail("want a string")
	}
	start, ascii := s.pos, true
	s.pos++
	for {
		n, low := plain(s.data[s.pos:])
		s.pos += n
		ascii = ascii && low
		switch c := s.peek(); {
		case c == '"':
			s.pos++
			quoted = s.data[start:s.pos]
			if !ascii && !utf8.Valid(quoted) {
				return nil, false, s.fail("invalid UTF-8 in the string that ends")
			}
			return quoted, escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
			s.pos++
		case s.pos < len(s.data):
			return nil, false, s.fail("control character in a string")
		default:
			return nil, false, s.fail("unexpected end in a string")
		}
	}
}

// escape moves from a backslash to the last byte of its sequence.
func (s *scanner) escape() error {
	s.pos++
	c := s.peek()
	if c != 'u' {
		if c == 0 || strings.IndexByte(`"\/bfnrt`, c) < 0 {
			return s.fail("illegal escape in a string")
		}
		return nil
	}
	for range 4 {
		s.pos++
		c := s.peek()
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return s.fail("illegal \\u escape in a string")
		}
	}
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++ // and no digit may follow
	} else if !s.digits() {
		return s.fail("want a digit")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("want a digit")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.fail("want a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.fail("want a value")
	}
	s.pos += len(word)
	return nil
}

// check returns an error unless data is exactly one JSON value.
func check(data []byte) error {
	s := scanner{data: data}
	s.space()
	if err := s.skip(0); err != nil {
		return err
	}
	return s.end()
}
