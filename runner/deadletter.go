package runner

import (
	"bytes"
	"encoding/json"
	"iter"
	"time"

	"github.com/journeyman-go/journeyman/internal/requestid"
	"github.com/journeyman-go/journeyman/transports"
)

// calledMethods yields the methods that a JSON-RPC request or batch asks for. It
// reads no further than whoever ranges over it, and as far as it can be read.
func calledMethods(body []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		in := json.NewDecoder(bytes.NewReader(body))
		first, err := in.Token()
		if err != nil {
			return
		}
		if first == json.Delim('{') {
			memberMethod(in, yield)
			return
		}
		for first == json.Delim('[') && in.More() {
			if open, err := in.Token(); err != nil || open != json.Delim('{') || !memberMethod(in, yield) {
				return
			}
			if _, err := in.Token(); err != nil { // }
				return
			}
		}
	}
}

// memberMethod reads the members of an object and yields the one called method. It
// returns false when there is no more to read, or to be yielded.
func memberMethod(in *json.Decoder, yield func(string) bool) bool {
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return false
		}
		var value json.RawMessage
		if in.Decode(&value) != nil {
			return false
		}
		var method string
		if name == "method" && json.Unmarshal(value, &method) == nil && !yield(method) {
			return false
		}
	}
	return true
}

// methodLabel names what a message asks for, also where its sender has not said
// it beside the body.
func methodLabel(m transports.Message) string {
	if m.Method != "" {
		return m.Method
	}
	for method := range calledMethods(m.Body) {
		if bytes.HasPrefix(bytes.TrimLeft(m.Body, " \t\r\n"), []byte("[")) {
			return "batch of " + method + ", …"
		}
		return method
	}
	return ""
}

// A deadRecord is what people and programs are shown of a dead letter.
type deadRecord struct {
	Service   string               `json:"service"`
	ID        string               `json:"id"`
	Key       string               `json:"key"` // "": none but the id
	Method    string               `json:"method"`
	RequestID string               `json:"request_id,omitempty"` // at the gateway, for which it was sent; "": for none
	Sent      *time.Time           `json:"sent"`                 // null: nobody has said
	Buried    *time.Time           `json:"buried"`
	Error     string               `json:"error"`
	Failures  int                  `json:"failures"`
	Deaths    int                  `json:"deaths"`
	Bytes     int                  `json:"bytes"`
	History   []transports.Attempt `json:"history"` // the newest first
	Header    map[string]string    `json:"header,omitempty"`
	Payload   json.RawMessage      `json:"payload,omitempty"`
}

func recordOf(service string, l transports.DeadLetter) deadRecord {
	m := l.Message
	known := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	key := m.Key
	if key == m.ID {
		key = ""
	}
	return deadRecord{
		Service: service, ID: l.ID, Key: key, Method: methodLabel(m), RequestID: m.Header[requestid.Header], Sent: known(m.Enqueued), Buried: known(l.Buried),
		Error: l.Reason, Failures: m.Failures, Deaths: l.Deaths, Bytes: len(m.Body),
		History: append([]transports.Attempt{}, m.History...),
	}
}
