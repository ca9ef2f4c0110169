package jsonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// resultReply returns a reply that succeeded. result must be valid JSON.
func resultReply(id, result json.RawMessage) []byte {
	dst := appendID(make([]byte, 0, len(id)+len(result)+48), id)
	dst = append(dst, `,"result":`...)
	dst = append(dst, result...)
	return append(dst, '}')
}

// errorReply returns a reply that failed. A handler may have filled e with
// anything; what comes out is valid all the same.
func errorReply(id json.RawMessage, e *Error) []byte {
	dst := appendID(nil, id)
	dst = append(dst, `,"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(e.Code), 10)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, e.Message)
	if len(e.Data) > 0 {
		dst = append(dst, `,"data":`...)
		if check(e.Data) == nil {
			dst = append(dst, e.Data...)
		} else {
			dst = appendString(dst, string(e.Data))
		}
	}
	return append(dst, '}', '}')
}

func appendID(dst []byte, id json.RawMessage) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	return append(dst, id...)
}

func appendString(dst []byte, s string) []byte {
	quoted, _ := marshal(s) // a string always has a JSON form
	return append(dst, quoted...)
}

// marshal encodes v for the wire: raw JSON as it stands, everything else by
// encoding/json, without its escaping for HTML, which only other languages see.
func marshal(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case nil:
		return null, nil
	case json.RawMessage:
		if v == nil {
			return null, nil
		}
		return v, check(v)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	if !utf8.Valid(buf.Bytes()) { // encoding/json does not look into what other marshalers wrote
		return nil, errors.New("invalid UTF-8")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
