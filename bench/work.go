package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// queue is what the base programs call their queue, subject or path.
const queue = "calculator"

// A work is what every system is asked, as a request of JSON-RPC 2.0: to add 1 and 5.1,
// or, where the size of requests is what is measured, to tell the length of a text.
type work struct {
	Payload int `json:"payload"` // length of the text in bytes; 0: add
}

// request is a message as a straightforward program has it, which leaves all of it to
// encoding/json: P is any for callers, and json.RawMessage for workers, who look at the
// method first.
type request[P any] struct {
	Version string `json:"jsonrpc"`
	ID      string `json:"id"`
	Method  string `json:"method"`
	Params  P      `json:"params"`
}

type reply struct {
	Version string   `json:"jsonrpc"`
	ID      string   `json:"id"`
	Result  *float64 `json:"result,omitempty"`
	Error   *fault   `json:"error,omitempty"`
}

type fault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (w work) method() string {
	if w.Payload > 0 {
		return "size"
	}
	return "add"
}

func (w work) params() any {
	if w.Payload > 0 {
		return []string{strings.Repeat("x", w.Payload)}
	}
	return []float64{1, 5.1}
}

func (w work) result() float64 {
	if w.Payload > 0 {
		return float64(w.Payload)
	}
	return 6.1
}

// A letter makes requests that differ in their ids alone.
type letter struct {
	work
	params any
}

func (w work) letter() letter { return letter{w, w.params()} }

// request encodes everything anew for each request, as a program would that asks
// something else each time.
func (l letter) request(id string) ([]byte, error) {
	return json.Marshal(request[any]{Version: "2.0", ID: id, Method: l.method(), Params: l.params})
}

// check wants a reply to be the right one, with the right result.
func (w work) check(id string, body []byte) error {
	var r reply
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("decode a reply: %w", err)
	}
	switch {
	case r.Error != nil:
		return fmt.Errorf("error %d: %s", r.Error.Code, r.Error.Message)
	case r.ID != id:
		return fmt.Errorf("a reply to %q, want one to %q", r.ID, id)
	case r.Result == nil || *r.Result != w.result():
		return fmt.Errorf("the result in %s is not %v", body, w.result())
	}
	return nil
}

// answer is the worker of the base programs, with all that they do for a request.
func answer(body []byte) (id string, answer []byte) {
	var in request[json.RawMessage]
	if err := json.Unmarshal(body, &in); err != nil {
		return "", encoded(reply{Version: "2.0", Error: &fault{-32700, "parse error"}})
	}
	out := reply{Version: "2.0", ID: in.ID}
	switch in.Method {
	case "add":
		var operands [2]float64
		if err := json.Unmarshal(in.Params, &operands); err != nil {
			out.Error = &fault{-32602, err.Error()}
			break
		}
		sum := operands[0] + operands[1]
		out.Result = &sum
	case "size":
		var texts [1]string
		if err := json.Unmarshal(in.Params, &texts); err != nil {
			out.Error = &fault{-32602, err.Error()}
			break
		}
		length := float64(len(texts[0]))
		out.Result = &length
	default:
		out.Error = &fault{-32601, "method not found"}
	}
	return in.ID, encoded(out)
}

func encoded(r reply) []byte {
	body, err := json.Marshal(r)
	if err != nil {
		panic(err) // a reply is numbers and texts
	}
	return body
}
