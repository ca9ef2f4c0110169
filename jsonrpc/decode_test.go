package jsonrpc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

func TestDecodeRequests(t *testing.T) {
	t.Parallel()
	type member struct {
		ID, Method string
		Call, Owed bool
	}
	for _, tc := range []struct {
		name, body string
		want       []member
		batch      bool
	}{
		{"call", `{"jsonrpc":"2.0","id":9007199254740993,"method":"add"}`, []member{{"9007199254740993", "add", true, true}}, false},
		{"call with id null", `{"jsonrpc":"2.0","id":null,"method":"add"}`, []member{{"null", "add", true, true}}, false},
		{"notification", `{"jsonrpc":"2.0","method":"log"}`, []member{{"null", "log", false, false}}, false},
		{"no request, and its id", `{"jsonrpc":"1.0","id":"a","method":"x"}`, []member{{`"a"`, "x", true, true}}, false},
		{"no case is folded", `{"jsonrpc":"2.0","Method":"x"}`, []member{{"null", "", false, true}}, false},
		{
			"batch", ` [{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"b"},3]`,
			[]member{{"1", "a", true, true}, {"null", "b", false, false}, {"null", "", false, true}}, true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			requests, batch, refused := jsonrpc.DecodeRequests([]byte(tc.body))
			if refused != nil || batch != tc.batch {
				t.Errorf("batch %t, refused %v", batch, refused)
			}
			var got []member
			for _, r := range requests {
				got = append(got, member{string(r.ID), r.Method, r.Call, r.Owed()})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// Whoever refuses a body in the name of a service must say what it would say.
func TestDecodeRequestsRefusesAsAMuxDoes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{`, `[]`, `[1,`, `{} {}`, `7`, `{"jsonrpc":"2.0","id":1}`, `{"jsonrpc":"2.0","id":{},"method":"a"}`} {
		requests, _, refused := jsonrpc.DecodeRequests([]byte(body))
		var got []byte
		if refused != nil {
			got = jsonrpc.EncodeError([]byte("null"), refused)
		} else {
			got = jsonrpc.EncodeError(requests[0].ID, requests[0].Err)
		}
		want := new(jsonrpc.Mux).Answer(t.Context(), []byte(body)).Reply
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-mux +decoded):\n%s", body, diff)
		}
	}
}

// What is written anew says the same, and nothing else: no reader can find in it what
// another one does not.
func TestRequestsWrittenAnew(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"params" : {"b":1,"a":[ ]}, "x":1, "Method":"y", "method":"add", "id":1e2,"jsonrpc":"2.0"}`: `{"jsonrpc":"2.0","id":1e2,"method":"add","params":{"b":1,"a":[ ]}}`,
		`{"jsonrpc":"2.0","id":null,"method":"\u0061dd"}`:                                             `{"jsonrpc":"2.0","id":null,"method":"add"}`,
		`{"jsonrpc":"2.0","method":"a\"\n","params":[]}`:                                              `{"jsonrpc":"2.0","method":"a\"\n","params":[]}`,
	} {
		requests, _, refused := jsonrpc.DecodeRequests([]byte(body))
		if refused != nil {
			t.Fatal(refused)
		}
		if diff := cmp.Diff(want, string(requests[0].Encode())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

func TestRepliesWrittenAnew(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":"a","result":null}`,
		`{"jsonrpc":"2.0","id":1,"result":{"a":[ 1]}}`,
		`{"jsonrpc":"2.0","id":null,"error":{"code":-5,"message":"m","data":{"x":1}}}`,
	} {
		reply, err := jsonrpc.DecodeReply([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(body, string(reply.Encode())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
