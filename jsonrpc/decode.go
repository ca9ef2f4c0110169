package jsonrpc

import "encoding/json"

// A Request is one member of a body, as a Mux understands it. It serves those
// who pass bodies on and must know what a body asks for.
type Request struct {
	ID     json.RawMessage // byte for byte; null where there is none or it is illegal
	Method string
	Params json.RawMessage // byte for byte; nil: absent
	Call   bool            // it has an id, so a reply is owed
	Err    *Error          // what a Mux answers because this is no valid request; nil: it is one
}

// Encode writes a valid request anew: with the members that were read and in one way alone,
// whatever else the body held.
func (r Request) Encode() []byte {
	var id json.RawMessage
	if r.Call {
		id = r.ID
	}
	body, err := encode(id, r.Method, r.Params)
	if err != nil {
		panic("jsonrpc: Encode of a request that is not valid: " + err.Error())
	}
	return body
}

// Owed reports whether the member is answered.
func (r Request) Owed() bool { return r.Call || r.Err != nil }

// DecodeRequests reads a body. A body that a Mux answers as a whole, since it is
// not JSON or no possible batch, is refused with the error of that answer.
func DecodeRequests(body []byte) (requests []Request, batch bool, refused *Error) {
	members, batch, fault, err := parse(nil, body)
	switch {
	case err != nil:
		return nil, batch, Errorf(CodeParse, "Parse error").WithData(err.Error())
	case fault != "":
		return nil, batch, invalid(fault)
	}
	requests = make([]Request, len(members))
	for i, m := range members {
		requests[i] = Request{ID: m.id, Method: m.method, Params: m.params, Call: m.call}
		if m.fault != "" {
			requests[i].Err = invalid(m.fault)
		}
	}
	return requests, batch, nil
}

// EncodeError returns a response that says no; id is that of the request, null if
// it has none.
func EncodeError(id json.RawMessage, e *Error) []byte {
	return errorReply(id, e)
}
