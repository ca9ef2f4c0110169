package jsonrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	const head = `{"jsonrpc":"2.0","id":"x","method":"m"`
	for name, tt := range map[string]struct {
		params     any
		want, fail string
	}{
		"nothing":      {params: nil, want: head + `}`},
		"nil map":      {params: map[string]int(nil), want: head + `}`},
		"nil pointer":  {params: (*Page)(nil), want: head + `}`},
		"nil raw":      {params: json.RawMessage(nil), want: head + `}`},
		"struct":       {params: Page{3}, want: head + `,"params":{"limit":3}}`},
		"no escaping":  {params: []string{"<&>"}, want: head + `,"params":["<&>"]}`},
		"raw":          {params: json.RawMessage(` [1.10, "\u0041"]`), want: head + `,"params": [1.10, "\u0041"]}`},
		"raw, no JSON": {params: json.RawMessage(`[1`), fail: "encode params"},
		"number":       {params: 7, fail: "want an array or an object, got 7"},
		"string":       {params: "x", fail: `got "x"`},
		"no JSON form": {params: []float64{math.NaN()}, fail: "encode params"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := jsonrpc.EncodeCall(json.RawMessage(`"x"`), "m", tt.params)
			if tt.fail != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fail) {
					t.Fatalf("got %s and %v, want error %q", got, err, tt.fail)
				}
				return
			}
			if string(got) != tt.want || err != nil {
				t.Errorf("got %s and %v, want %s", got, err, tt.want)
			}
			got, err = jsonrpc.EncodeNotification("m", tt.params)
			if want := strings.Replace(tt.want, `"id":"x",`, ``, 1); string(got) != want || err != nil {
				t.Errorf("notification is %s and %v, want %s", got, err, want)
			}
		})
	}
	if got := string(jsonrpc.EncodeBatch([]byte("1"), []byte("2"))); got != "[1,2]" {
		t.Errorf("batch is %s", got)
	}
}

func TestDecodeReply(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want jsonrpc.Reply
		fail string
	}{
		"result": {body: ` {"result":[ 1.10 ],"id":"\u0041","jsonrpc":"2.0","took":1} `,
			want: jsonrpc.Reply{ID: json.RawMessage(`"\u0041"`), Result: json.RawMessage(`[ 1.10 ]`)}},
		"null result": {body: `{"jsonrpc":"2.0","result":null,"id":1}`,
			want: jsonrpc.Reply{ID: json.RawMessage(`1`), Result: json.RawMessage(`null`)}},
		"error": {body: `{"jsonrpc":"2.0","error":{"code":-7,"message":"m","data":{ "a":1}},"id":null}`,
			want: jsonrpc.Reply{ID: json.RawMessage(`null`), Error: &jsonrpc.Error{Code: -7, Message: "m", Data: json.RawMessage(`{ "a":1}`)}}},

		"empty":             {body: ``, fail: "want a response object"},
		"array":             {body: `[]`, fail: "want a response object"},
		"cut":               {body: `{"jsonrpc":"2.0","id":1,"result":1`, fail: "want ','"},
		"trailing":          {body: `{"jsonrpc":"2.0","id":1,"result":1}}`, fail: "after the value"},
		"version":           {body: `{"jsonrpc":"1.0","id":1,"result":1}`, fail: "jsonrpc"},
		"no version":        {body: `{"id":1,"result":1}`, fail: "jsonrpc"},
		"no id":             {body: `{"jsonrpc":"2.0","result":1}`, fail: "id"},
		"neither":           {body: `{"jsonrpc":"2.0","id":1}`, fail: "either"},
		"both":              {body: `{"jsonrpc":"2.0","id":1,"result":1,"error":null}`, fail: "either"},
		"two results":       {body: `{"jsonrpc":"2.0","id":1,"result":1,"result":2}`, fail: "twice"},
		"null error":        {body: `{"jsonrpc":"2.0","id":1,"error":null}`, fail: "code and a message"},
		"no code":           {body: `{"jsonrpc":"2.0","id":1,"error":{"message":"m"}}`, fail: "code and a message"},
		"fraction for code": {body: `{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"m"}}`, fail: "decode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := jsonrpc.DecodeReply([]byte(tt.body))
			if tt.fail != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fail) {
					t.Fatalf("got %+v and %v, want error %q", got, err, tt.fail)
				}
				return
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestDecodeReplies(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body  string
		ids   string
		batch bool
		fail  string
	}{
		"batch":    {body: ` [ {"jsonrpc":"2.0","id":2,"result":1} , {"jsonrpc":"2.0","id":1,"result":1} ] `, ids: "2 1", batch: true},
		"empty":    {body: `[]`, batch: true},
		"single":   {body: `{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}`, ids: "null"},
		"trailing": {body: `[] 1`, fail: "after the value"},
		"cut":      {body: `[{"jsonrpc":"2.0","id":2,"result":1}`, fail: "want ','"},
		"member":   {body: `[1]`, fail: "want a response object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replies, batch, err := jsonrpc.DecodeReplies([]byte(tt.body))
			if tt.fail != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fail) {
					t.Fatalf("got %v, want error %q", err, tt.fail)
				}
				return
			}
			var ids []string
			for _, r := range replies {
				ids = append(ids, string(r.ID))
			}
			if got := strings.Join(ids, " "); got != tt.ids || batch != tt.batch || err != nil {
				t.Errorf("got ids %q, batch %v, error %v; want %q, %v", got, batch, err, tt.ids, tt.batch)
			}
		})
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{errors.New("any"), jsonrpc.CodeInternal},
		{(*jsonrpc.Error)(nil), jsonrpc.CodeInternal},
		{context.DeadlineExceeded, jsonrpc.CodeTimeout},
		{fmt.Errorf("query: %w", context.Canceled), jsonrpc.CodeCanceled},
		{fmt.Errorf("count: %w", jsonrpc.Errorf(7, "seven")), 7},
	} {
		if got := jsonrpc.CodeOf(tt.err); got != tt.code {
			t.Errorf("code of %#v is %d, want %d", tt.err, got, tt.code)
		}
	}
	// And back: what a service says of its context is what its caller finds.
	for code, target := range map[int]error{jsonrpc.CodeTimeout: context.DeadlineExceeded, jsonrpc.CodeCanceled: context.Canceled} {
		for other := range map[int]bool{jsonrpc.CodeTimeout: true, jsonrpc.CodeCanceled: true, 7: true} {
			if got := errors.Is(jsonrpc.Errorf(other, "x"), target); got != (other == code) {
				t.Errorf("code %d is %v: %v", other, target, got)
			}
		}
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	e := jsonrpc.Errorf(7, "no %s", "money")
	if got := e.Error(); got != "no money (7)" {
		t.Errorf("got %q", got)
	}
	if got := e.WithData([]int{1}).Error(); got != "no money (7): [1]" {
		t.Errorf("got %q", got)
	}
	if got := string(e.WithData(math.Inf(1)).Data); got != `"+Inf"` {
		t.Errorf("data without a JSON form is %s", got)
	}
	if e.Data != nil {
		t.Errorf("WithData changed the original: %s", e.Data)
	}
}
