package jsonrpc

import (
	"encoding/json"
	"errors"
	"fmt"
)

// EncodeCall returns a request that is owed a reply. id must be a JSON string,
// number or null. params become an array or an object: nil, and whatever
// encodes as null, leaves them out; json.RawMessage goes out byte for byte; any
// other value is encoded by encoding/json.
func EncodeCall(id json.RawMessage, method string, params any) ([]byte, error) {
	return encode(id, method, params)
}

// EncodeNotification returns a request that is owed nothing; params as for
// EncodeCall.
func EncodeNotification(method string, params any) ([]byte, error) {
	return encode(nil, method, params)
}

// EncodeBatch joins requests into a batch.
func EncodeBatch(members ...[]byte) []byte {
	size := 2
	for _, member := range members {
		size += len(member) + 1
	}
	batch := append(make([]byte, 0, size), '[')
	for i, member := range members {
		if i > 0 {
			batch = append(batch, ',')
		}
		batch = append(batch, member...)
	}
	return append(batch, ']')
}

func encode(id json.RawMessage, method string, params any) ([]byte, error) {
	body := make([]byte, 0, len(id)+len(method)+64+sizeOf(params))
	body = append(body, `{"jsonrpc":"2.0",`...)
	if id != nil {
		body = append(body, `"id":`...)
		body = append(body, id...)
		body = append(body, ',')
	}
	body = append(body, `"method":`...)
	body = appendString(body, method)
	without := len(body)
	body = append(body, `,"params":`...)
	at := len(body)
	body, err := appendValue(body, params)
	if err != nil {
		return nil, fmt.Errorf("encode params: %w", err)
	}
	s := scanner{data: body, pos: at}
	s.space()
	switch s.peek() {
	case '{', '[':
	case 'n':
		body = body[:without]
	default:
		return nil, fmt.Errorf("encode params: want an array or an object, got %s (put single values into an array)", body[at:])
	}
	return append(body, '}'), nil
}

// A Reply is a response as it came: either Result or Error is set.
type Reply struct {
	ID     json.RawMessage // byte for byte; null where the service could not read the request's
	Result json.RawMessage // byte for byte
	Error  *Error
}

// Encode writes a response that is as DecodeReply reads it.
func (r Reply) Encode() []byte {
	if r.Error != nil {
		return errorReply(r.ID, r.Error)
	}
	body := appendID(make([]byte, 0, len(r.ID)+len(r.Result)+48), r.ID)
	body = append(append(body, `,"result":`...), r.Result...)
	return append(body, '}')
}

// DecodeReply reads the response to a call. Its error says what makes body no
// JSON-RPC 2.0 response; an error of the service is in the Reply.
func DecodeReply(body []byte) (Reply, error) {
	s := scanner{data: body}
	s.space()
	r, err := s.reply(0)
	if err == nil {
		err = s.end()
	}
	return r, err
}

// DecodeReplies reads the response to a batch. A service that could not read the
// batch answers with one response that is not in an array; batch is false then.
func DecodeReplies(body []byte) (replies []Reply, batch bool, err error) {
	s := scanner{data: body}
	s.space()
	if s.peek() != '[' {
		r, err := DecodeReply(body)
		return []Reply{r}, false, err
	}
	s.pos++
	for first := true; ; first = false {
		more, err := s.next(']', first)
		if err != nil {
			return nil, true, err
		}
		if !more {
			return replies, true, s.end()
		}
		r, err := s.reply(1)
		if err != nil {
			return nil, true, err
		}
		replies = append(replies, r)
	}
}

func (s *scanner) reply(depth int) (Reply, error) {
	var r Reply
	if s.peek() != '{' {
		return r, s.fail("want a response object")
	}
	s.pos++
	var version, failure json.RawMessage
	known := func(name []byte) *json.RawMessage {
		switch string(name) {
		case "jsonrpc":
			return &version
		case "id":
			return &r.ID
		case "result":
			return &r.Result
		case "error":
			return &failure
		}
		return nil
	}
	for first := true; ; first = false {
		more, err := s.next('}', first)
		if err != nil {
			return r, err
		}
		if !more {
			break
		}
		name, err := s.name()
		if err != nil {
			return r, err
		}
		value, err := s.value(depth + 1)
		if err != nil {
			return r, err
		}
		if target := known(name); target != nil {
			if *target != nil {
				return r, fmt.Errorf("member %q occurs twice", name)
			}
			*target = value
		}
	}
	switch {
	case string(version) != `"2.0"`:
		return r, errors.New(`member "jsonrpc" is not "2.0"`)
	case r.ID == nil:
		return r, errors.New(`member "id" is missing`)
	case (r.Result == nil) == (failure == nil):
		return r, errors.New(`want either "result" or "error"`)
	case failure != nil:
		var err error
		r.Error, err = decodeError(failure)
		return r, err
	}
	return r, nil
}

func decodeError(raw json.RawMessage) (*Error, error) {
	var e struct {
		Code    *int            `json:"code"`
		Message *string         `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, fmt.Errorf(`decode member "error": %w`, err)
	}
	if e.Code == nil || e.Message == nil {
		return nil, errors.New(`member "error" needs a code and a message`)
	}
	return &Error{Code: *e.Code, Message: *e.Message, Data: e.Data}, nil
}
