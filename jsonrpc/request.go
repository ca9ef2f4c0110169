package jsonrpc

import "encoding/json"

// MaxBatch is the greatest number of members in a batch. A longer one is
// refused whole, since a short body can hold millions of invalid members and
// each is owed an error of its own.
const MaxBatch = 10_000

// A request is one member of a body, and later what became of it.
type request struct {
	raw    json.RawMessage
	id     json.RawMessage // as sent; null where there is none or it is illegal
	method string
	params json.RawMessage // nil: absent
	call   bool            // it has an id, so a reply is owed
	fault  string          // why it is no request; "": it is one

	key       string // idempotency key
	reply     []byte
	err       error
	abandoned bool // see Answer
}

var null = json.RawMessage("null")

// parse reads a whole body before anything of it is run, and appends its requests to
// members, which is empty. Its error is a parse error; members that are JSON but no
// requests carry a fault instead. A batch that may not be one has a fault of its own.
func parse(members []request, body []byte) (_ []request, batch bool, fault string, err error) {
	s := scanner{data: body}
	s.space()
	if s.peek() != '[' {
		r, err := s.request(0)
		if err == nil {
			err = s.end()
		}
		return append(members, r), false, "", err
	}
	s.pos++
	for first := true; ; first = false {
		more, err := s.next(']', first)
		if err != nil {
			return nil, true, "", err
		}
		if !more {
			break
		}
		r, err := s.request(1)
		if err != nil {
			return nil, true, "", err
		}
		if len(members) < MaxBatch {
			members = append(members, r)
		} else {
			fault = "the batch has too many members"
		}
	}
	if len(members) == 0 {
		fault = "the batch is empty"
	}
	return members, true, fault, s.end()
}

// request reads one member. Names are compared as they are, without folding
// case; of the four that matter none may occur twice, and others are ignored, so
// that callers may send extensions.
func (s *scanner) request(depth int) (request, error) {
	r := request{id: null}
	if s.peek() != '{' {
		r.fault = "a request is an object"
		raw, err := s.value(depth)
		r.raw = raw
		return r, err
	}
	start := s.pos
	s.pos++
	var seenVersion, seenMethod, seenID bool
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
		switch string(name) {
		case "jsonrpc":
			r.once(&seenVersion, "jsonrpc")
			if text, ok := stringOf(value); !ok || text != "2.0" {
				r.refuse(`jsonrpc must be "2.0"`)
			}
		case "method":
			r.once(&seenMethod, "method")
			text, ok := stringOf(value)
			if !ok {
				r.refuse("method must be a string")
			}
			r.method = text
		case "params":
			seen := r.params != nil
			r.once(&seen, "params")
			if value[0] != '{' && value[0] != '[' { // null, too: section 4 wants a structured value
				r.refuse("params must be an array or an object, or absent")
			}
			r.params = value
		case "id":
			r.setID(value, &seenID)
		}
	}
	r.raw = json.RawMessage(s.data[start:s.pos:s.pos])
	if !seenVersion {
		r.refuse("jsonrpc is missing")
	}
	if !seenMethod {
		r.refuse("method is missing")
	}
	return r, nil
}

func (r *request) setID(value json.RawMessage, seen *bool) {
	twice := *seen
	r.once(seen, "id")
	switch c := value[0]; {
	case twice:
		r.id = null // none of them is more right than the other
	case c == '"' || c == '-' || '0' <= c && c <= '9' || c == 'n':
		r.id, r.call = value, true
	default:
		r.refuse("id must be a string, a number or null")
	}
}

// refuse notes why r is no request; the first reason stands.
func (r *request) refuse(why string) {
	if r.fault == "" {
		r.fault = why
	}
}

func (r *request) once(seen *bool, name string) {
	if *seen {
		r.refuse(name + " occurs twice")
	}
	*seen = true
}
