package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// FuzzAnswer holds a Mux to being total: whatever comes in, what goes out is a
// valid reply to it or nothing. What is owed is worked out again here, by
// encoding/json and with no code of the package.
func FuzzAnswer(f *testing.F) {
	mux := jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler)}
	mux.Handle("echo", echo)
	mux.Handle("typed", same[query]())
	mux.Handle("panic", jsonrpc.Raw(func(_ context.Context, params json.RawMessage) (any, error) { panic(string(params)) }))
	mux.Handle("garbage", jsonrpc.Raw(func(_ context.Context, params json.RawMessage) (any, error) {
		return params[:len(params)/2], nil
	}))
	f.Fuzz(func(t *testing.T, body []byte) {
		sent := bytes.Clone(body)
		answer := mux.Answer(t.Context(), body)
		if !bytes.Equal(sent, body) {
			t.Fatalf("the body became %q", body)
		}
		for _, n := range answer.Notifications {
			if !bytes.Contains(body, n.Body) || len(n.Body) == 0 {
				t.Errorf("notification %q is not in the body", n.Body)
			}
		}
		anew(t, body)
		got, batch := replies(t, answer.Reply)
		want, wantBatch := owed(body)
		if len(want) == 0 && answer.Reply == nil {
			return
		}
		if batch != wantBatch || len(got) != len(want) {
			t.Fatalf("got %s, want %d replies, batch %v", answer.Reply, len(want), wantBatch)
		}
		for i, r := range got {
			if r.id != want[i].id || want[i].code != 0 && r.code != want[i].code {
				t.Errorf("reply %d has id %s and code %d, want id %s and code %d", i, r.id, r.code, want[i].id, want[i].code)
			}
		}
	})
}

// anew checks that requests which are written anew are read as what they were.
func anew(t *testing.T, body []byte) {
	t.Helper()
	requests, _, refused := jsonrpc.DecodeRequests(body)
	if refused != nil {
		return
	}
	for _, r := range requests {
		if r.Err != nil {
			continue
		}
		again, batch, refused := jsonrpc.DecodeRequests(r.Encode())
		if refused != nil || batch || len(again) != 1 || !reflect.DeepEqual(r, again[0]) {
			t.Errorf("%q became %s, which is read as %+v", body, r.Encode(), again)
		}
	}
}

// A reply as far as it can be foretold: code 0 is "any, or none".
type reply struct {
	id   string
	code int
}

// replies checks what came out by the rules of section 5.
func replies(t *testing.T, data []byte) (all []reply, batch bool) {
	t.Helper()
	if data == nil {
		return nil, false
	}
	if !json.Valid(data) || !utf8.Valid(data) {
		t.Fatalf("reply %q is not JSON", data)
	}
	members := []json.RawMessage{data}
	if data[0] == '[' {
		batch = true
		if err := json.Unmarshal(data, &members); err != nil || len(members) == 0 {
			t.Fatalf("reply %s is not a batch (%v)", data, err)
		}
	}
	for _, member := range members {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(member, &m); err != nil {
			t.Fatalf("reply %s is not an object: %v", member, err)
		}
		r := reply{id: string(m["id"])}
		if string(m["jsonrpc"]) != `"2.0"` || m["id"] == nil || len(m) != 3 || (m["result"] == nil) == (m["error"] == nil) {
			t.Fatalf("reply %s is not a response", member)
		}
		if m["error"] != nil {
			var e struct {
				Code    *int
				Message *string
			}
			if err := json.Unmarshal(m["error"], &e); err != nil || e.Code == nil || e.Message == nil {
				t.Fatalf("reply %s has no proper error (%v)", member, err)
			}
			r.code = *e.Code
		}
		all = append(all, r)
	}
	return all, batch
}

// owed says which replies a body must get.
func owed(body []byte) (want []reply, batch bool) {
	if !json.Valid(body) || !utf8.Valid(body) || depth(body) > 1000 {
		return []reply{{"null", jsonrpc.CodeParse}}, false
	}
	members := []json.RawMessage{body}
	if bytes.TrimLeft(body, " \t\r\n")[0] == '[' {
		batch = true
		_ = json.Unmarshal(body, &members) // it is valid
		if len(members) == 0 || len(members) > jsonrpc.MaxBatch {
			return []reply{{"null", jsonrpc.CodeInvalidRequest}}, false
		}
	}
	for _, member := range members {
		if r, ok := owedOne(member); ok {
			want = append(want, r)
		}
	}
	return want, batch
}

func owedOne(member json.RawMessage) (reply, bool) {
	dec := json.NewDecoder(bytes.NewReader(member))
	if token, _ := dec.Token(); token != json.Delim('{') {
		return reply{"null", jsonrpc.CodeInvalidRequest}, true
	}
	m := make(map[string][]json.RawMessage)
	for dec.More() {
		name, _ := dec.Token()
		var value json.RawMessage
		_ = dec.Decode(&value)
		m[name.(string)] = append(m[name.(string)], value)
	}
	first := func(name string, or byte) byte {
		if len(m[name]) > 0 {
			return m[name][0][0]
		}
		return or
	}
	is := func(c byte, of string) bool { return slices.Contains([]byte(of), c) }
	id, r := first("id", 0), reply{id: "null"}
	if len(m["id"]) == 1 && is(id, `"-0123456789n`) {
		r.id = string(m["id"][0])
	}
	var version string
	if first("jsonrpc", 0) == '"' {
		_ = json.Unmarshal(m["jsonrpc"][0], &version)
	}
	valid := len(m["jsonrpc"]) == 1 && version == "2.0" &&
		len(m["method"]) == 1 && first("method", 0) == '"' &&
		len(m["params"]) <= 1 && is(first("params", '{'), `{[`) &&
		len(m["id"]) <= 1 && is(first("id", 'n'), `"-0123456789n`)
	if !valid {
		r.code = jsonrpc.CodeInvalidRequest
	}
	return r, !valid || id != 0
}

// depth returns how deeply valid JSON is nested.
func depth(body []byte) (deepest int) {
	now, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '{' || c == '['):
			now++
			deepest = max(deepest, now)
		case !quoted && (c == '}' || c == ']'):
			now--
		}
	}
	return deepest
}
