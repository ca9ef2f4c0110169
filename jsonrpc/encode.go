package jsonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
)

// marshal encodes v for the wire: raw JSON as it stands, everything else as
// encoding/json does without its escaping for HTML, which only other languages see.
// The result shares the memory of v if that is a json.RawMessage.
func marshal(v any) (json.RawMessage, error) {
	if raw, ok := v.(json.RawMessage); ok && raw != nil {
		return raw, check(raw)
	}
	return appendValue(nil, v)
}

// appendValue appends what marshal makes of v.
func appendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case json.RawMessage:
		if v == nil {
			return append(dst, null...), nil
		}
		if err := check(v); err != nil {
			return nil, err
		}
		return append(dst, v...), nil
	case []any:
		if long, ok := appendList(dst, v, appendScalar); ok {
			return long, nil
		}
	case []string:
		if long, ok := appendList(dst, v, appendText); ok {
			return long, nil
		}
	case []float64:
		if long, ok := appendList(dst, v, appendFloat); ok {
			return long, nil
		}
	default:
		if long, ok := appendScalar(dst, v); ok {
			return long, nil
		}
	}
	return appendAny(dst, v)
}

// sizeOf returns about how many bytes appendValue will append where these may be many,
// so that they need not be moved while they grow.
func sizeOf(v any) (size int) {
	switch v := v.(type) {
	case json.RawMessage:
		return len(v)
	case string:
		return len(v) + len(v)/32
	case []string:
		for _, text := range v {
			size += sizeOf(text) + len(`"",`)
		}
	case []any:
		for _, element := range v {
			size += sizeOf(element)
		}
	}
	return size
}

// appendScalar appends a value of one of the types that most results have, byte for
// byte as encoding/json writes it and without its reflection. ok is false for
// everything else, numbers that JSON has no form for among it.
func appendScalar(dst []byte, v any) (long []byte, ok bool) {
	switch v := v.(type) {
	case nil:
		return append(dst, null...), true
	case bool:
		return strconv.AppendBool(dst, v), true
	case string:
		return appendString(dst, v), true
	case int:
		return strconv.AppendInt(dst, int64(v), 10), true
	case int64:
		return strconv.AppendInt(dst, v, 10), true
	case uint64:
		return strconv.AppendUint(dst, v, 10), true
	case float64:
		return appendFloat(dst, v)
	}
	return dst, false
}

// appendList appends a list if element can append each of its elements.
func appendList[T any](dst []byte, list []T, element func([]byte, T) ([]byte, bool)) (long []byte, ok bool) {
	if list == nil {
		return nil, false
	}
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, ok = element(dst, v); !ok {
			return nil, false
		}
	}
	return append(dst, ']'), true
}

func appendText(dst []byte, text string) (long []byte, ok bool) { return appendString(dst, text), true }

// appendFloat writes a number in the form that ECMAScript gives it (ECMA-262, section
// 6.1.6.1.20), as encoding/json does.
func appendFloat(dst []byte, f float64) (long []byte, ok bool) {
	switch size := math.Abs(f); {
	case size >= 1e-6 && size < 1e21 || size == 0:
		return strconv.AppendFloat(dst, f, 'f', -1, 64), true
	case size <= math.MaxFloat64:
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-09 is e-9
			dst = append(dst[:n-2], dst[n-1])
		}
		return dst, true
	}
	return dst, false // infinite, or not a number
}

// An encoder is where encoding/json writes to; they are reused, as making one costs
// as much as encoding a small value.
type encoder struct {
	buf bytes.Buffer
	enc *json.Encoder
}

// encoders is shared by all, since what is in it belongs to nobody.
var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.enc = json.NewEncoder(&e.buf)
	e.enc.SetEscapeHTML(false)
	return e
}}

// mostKept bounds the buffers that are kept for reuse, in bytes.
const mostKept = 64 << 10

// appendAny has v written by encoding/json.
func appendAny(dst []byte, v any) ([]byte, error) {
	e := encoders.Get().(*encoder) // if a method of v panics, it is not put back
	e.buf.Reset()
	if err := e.enc.Encode(v); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(e.buf.Bytes(), []byte("\n"))
	if !utf8.Valid(text) { // encoding/json does not look into what other marshalers wrote
		return nil, errors.New("invalid UTF-8")
	}
	dst = append(slices.Grow(dst, len(text)+1), text...) // and a reply ends with one more
	if e.buf.Cap() <= mostKept {
		encoders.Put(e)
	}
	return dst, nil
}
