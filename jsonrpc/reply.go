package jsonrpc

import (
	"encoding/json"
	"strconv"
)

// resultReply returns a reply that succeeded with value.
func resultReply(id json.RawMessage, value any) ([]byte, error) {
	dst := appendID(make([]byte, 0, len(id)+64+sizeOf(value)), id)
	dst, err := appendValue(append(dst, `,"result":`...), value)
	if err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
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
