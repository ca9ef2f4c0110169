package redislist

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

var (
	errPart     = errors.New("there is more to come")
	errProtocol = errors.New("the broker does not speak as Redis does")
)

// A brokerError is an error that the broker answered.
type brokerError string

func (e brokerError) Error() string { return string(e) }

// RedisError implements redis.Error.
func (brokerError) RedisError() {}

// parse returns the answer in RESP 2 with which b begins: a string, an int64, an error, or
// []any of these. It fails with errPart where that is not all there.
func parse(b []byte) (answer any, rest []byte, err error) {
	head, rest, ok := bytes.Cut(b, []byte("\r\n"))
	if !ok {
		return nil, nil, errPart
	}
	if len(head) == 0 {
		return nil, nil, fmt.Errorf("%w: an empty line", errProtocol)
	}
	kind, text := head[0], string(head[1:])
	switch kind {
	case '+':
		return text, rest, nil
	case '-':
		return brokerError(text), rest, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: %w", errProtocol, err)
	case kind == ':':
		return n, rest, nil
	case kind == '$' && n >= 0:
		return parseBulk(rest, n)
	case kind == '*' && n >= 0:
		return parseArray(rest, n)
	case kind == '$' || kind == '*':
		return redis.Nil, rest, nil
	}
	return nil, nil, fmt.Errorf("%w: an answer of kind %q", errProtocol, kind)
}

func parseBulk(b []byte, n int64) (answer any, rest []byte, err error) {
	if int64(len(b))-2 < n {
		return nil, nil, errPart
	}
	return string(b[:n]), b[n+2:], nil
}

func parseArray(b []byte, n int64) (answer any, rest []byte, err error) {
	values := []any{}
	for range n {
		var v any
		if v, b, err = parse(b); err != nil {
			return nil, nil, err
		}
		values = append(values, v)
	}
	return values, b, nil
}
