package jsonrpc_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

type Page struct {
	Limit int `json:"limit,omitempty"`
}

type query struct {
	Text  string          `json:"text"`
	Tags  []string        `json:"tags"`
	Since *time.Time      `json:"since"`
	Where struct{ X int } `json:"where,omitzero"`
	*Page
	Raw    json.RawMessage `json:"raw,omitempty"`
	Plain  bool            `json:",omitempty"`
	Hidden int             `json:"-"`
	secret int
}

// Params by name and by position reach the same fields, and what is wrong with
// them is said for all at once.
func TestFuncParams(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tt := range map[string]struct {
		params string
		want   query
		fault  string
	}{
		"by name": {params: `{"raw":[1.10],"text":"a\u0062","limit":9007199254740993,"tags":["x"],"since":"2026-01-02T03:04:05Z","where":{"X":1},"Plain":true}`,
			want: query{Text: "ab", Tags: []string{"x"}, Since: &since, Where: struct{ X int }{1},
				Page: &Page{9007199254740993}, Raw: json.RawMessage(`[1.10]`), Plain: true}},
		"by position": {params: ` [ "ab" , ["x"], "2026-01-02T03:04:05Z", {"X":1}, 5, [1.10], true ] `,
			want: query{Text: "ab", Tags: []string{"x"}, Since: &since, Where: struct{ X int }{1},
				Page: &Page{5}, Raw: json.RawMessage(`[1.10]`), Plain: true}},
		"the optional left out": {params: `["a",[]]`, want: query{Text: "a", Tags: []string{}}},
		"null where it means something": {params: `{"text":"a","tags":null,"since":null,"limit":null,"Plain":null}`,
			want: query{Text: "a", Page: &Page{}}},

		"none":                {params: ``, fault: `{"missing":["text","tags"]}`},
		"empty":               {params: `{}`, fault: `{"missing":["text","tags"]}`},
		"too few positions":   {params: `["a"]`, fault: `{"missing":["tags"]}`},
		"too many positions":  {params: `["a",[],null,{},1,{},true,1,2]`, fault: `{"surplus":2}`},
		"folded":              {params: `{"Text":"a","tags":[]}`, fault: `{"missing":["text"],"unknown":["Text"]}`},
		"hidden":              {params: `{"text":"a","tags":[],"Hidden":1,"-":1,"secret":1,"Page":{}}`, fault: `{"unknown":["Hidden","-","secret","Page"]}`},
		"twice":               {params: `{"text":"a","tags":[],"te\u0078t":"b"}`, fault: `{"twice":["text"]}`},
		"null for a value":    {params: `[null,[]]`, fault: `{"mistyped":{"text":"want string, got null"}}`},
		"mistyped":            {params: `{"text":1,"tags":{}}`, fault: `{"mistyped":{"tags":"want array, got object","text":"want string, got number"}}`},
		"fraction":            {params: `{"text":"a","tags":[],"limit":1.5}`, fault: `{"mistyped":{"limit":"want integer, got number 1.5"}}`},
		"mistyped, inside":    {params: `{"text":"a","tags":[],"where":{"X":"1"}}`, fault: `{"mistyped":{"where":"in X: want integer, got string"}}`},
		"mistyped, in a list": {params: `{"text":"a","tags":[1]}`, fault: `{"mistyped":{"tags":"want string, got number"}}`},
		"everything": {params: `{"text":1,"nope":2,"nope":3}`,
			fault: `{"missing":["tags"],"unknown":["nope","nope"],"mistyped":{"text":"want string, got number"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got query
			var mux jsonrpc.Mux
			mux.Handle("m", jsonrpc.Func(func(_ context.Context, in query) (jsonrpc.None, error) {
				got = in
				return jsonrpc.None{}, nil
			}))
			reply := ask(t, &mux, tt.params)
			if tt.fault != "" {
				if reply.Error == nil || reply.Error.Code != jsonrpc.CodeInvalidParams || string(reply.Error.Data) != tt.fault {
					t.Fatalf("got %+v, want fault %s", reply, tt.fault)
				}
				return
			}
			if string(reply.Result) != "null" {
				t.Fatalf("got result %s and error %v, want null", reply.Result, reply.Error)
			}
			if diff := gocmp.Diff(tt.want, got, gocmp.AllowUnexported(query{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// ask calls the method m; params "" leaves them out.
func ask(t *testing.T, mux *jsonrpc.Mux, params string) jsonrpc.Reply {
	t.Helper()
	body, err := jsonrpc.EncodeCall(json.RawMessage("1"), "m", json.RawMessage(nil))
	if params != "" {
		body, err = jsonrpc.EncodeCall(json.RawMessage("1"), "m", json.RawMessage(params))
	}
	if err != nil {
		t.Fatal(err)
	}
	reply, err := jsonrpc.DecodeReply(mux.Answer(t.Context(), body).Reply)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// same makes a method that returns its params as Go sees them.
func same[P any]() jsonrpc.Method {
	return jsonrpc.Func(func(_ context.Context, in P) (P, error) { return in, nil })
}

// upper decodes itself, so that it takes the params as they are.
type upper struct{ Text string }

func (u *upper) UnmarshalJSON(data []byte) error { u.Text = "<" + string(data) + ">"; return nil }

// The other types that may hold params.
func TestFuncShapes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method         jsonrpc.Method
		params, result string
		fault          string
	}{
		"none":              {method: same[jsonrpc.None](), result: `null`},
		"none, empty array": {method: same[jsonrpc.None](), params: `[]`, result: `null`},
		"none, surplus":     {method: same[jsonrpc.None](), params: `[1]`, fault: `{"surplus":1}`},
		"pointer":           {method: same[*Page](), params: `[3]`, result: `{"limit":3}`},
		"pointer, absent":   {method: same[*Page](), result: `{}`},
		"slice":             {method: same[[]int](), params: `[1,2]`, result: `[1,2]`},
		"slice, absent":     {method: same[[]int](), result: `null`},
		"slice, by name":    {method: same[[]int](), params: `{}`, fault: `{"mistyped":{"params":"want array, got object"}}`},
		"map":               {method: same[map[string]int](), params: `{"a":1}`, result: `{"a":1}`},
		"map, mistyped":     {method: same[map[string]int](), params: `{"a":"<"}`, fault: `{"mistyped":{"params":"want integer, got string"}}`},
		"any":               {method: same[any](), params: `{"a":"<&>"}`, result: `{"a":"<&>"}`},
		"raw":               {method: same[json.RawMessage](), params: `{"a": 1.0}`, result: `{"a": 1.0}`},
		"raw, absent":       {method: same[json.RawMessage](), result: `null`},
		"decodes itself":    {method: same[upper](), params: `[1, 2]`, result: `{"Text":"<[1, 2]>"}`},
		"one of two embedded": {method: same[struct {
			Page
			Limit string `json:"limit"`
		}](), params: `["x"]`, result: `{"limit":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mux jsonrpc.Mux
			mux.Handle("m", tt.method)
			reply := ask(t, &mux, tt.params)
			if tt.fault != "" {
				if reply.Error == nil || string(reply.Error.Data) != tt.fault {
					t.Fatalf("got %+v, want fault %s", reply, tt.fault)
				}
			} else if string(reply.Result) != tt.result {
				t.Errorf("got result %s and error %v, want %s", reply.Result, reply.Error, tt.result)
			}
		})
	}
}

// The fields of an embedding struct are those that encoding/json knows.
func TestFieldsLikeEncodingJSON(t *testing.T) {
	t.Parallel()
	type A struct {
		Both  int
		One   int `json:"two"`
		OnlyA int
	}
	type B struct {
		Both  int
		Two   int `json:"-"`
		Three int `json:"Both3"`
	}
	type C struct{ Tie int }
	type D struct {
		Tied string `json:"Tie"` // wins, because it has a tag
	}
	type deep struct{ A }
	type in struct {
		deep
		*B
		C
		D
		Named A `json:"named"`
		Both3 int
	}
	var known map[string]any
	if err := json.Unmarshal([]byte(encode(t, in{B: &B{}})), &known); err != nil {
		t.Fatal(err)
	}
	var mux jsonrpc.Mux
	mux.Handle("m", same[in]())
	reply := ask(t, &mux, encode(t, known))
	if reply.Error != nil {
		t.Errorf("what encoding/json writes is refused: %v", reply.Error)
	}
	for name := range known {
		short := make(map[string]any)
		for other, v := range known {
			if other != name {
				short[other] = v
			}
		}
		reply := ask(t, &mux, encode(t, short))
		if want := `{"missing":["` + name + `"]}`; reply.Error == nil || string(reply.Error.Data) != want {
			t.Errorf("without %s: %+v, want %s", name, reply.Error, want)
		}
	}
}

// Callers are told in words of JSON what was wanted.
func TestFuncMistyped(t *testing.T) {
	t.Parallel()
	for want, method := range map[string]jsonrpc.Method{
		"boolean":              same[struct{ V bool }](),
		"integer":              same[struct{ V int8 }](),
		"non-negative integer": same[struct{ V *uint16 }](),
		"number":               same[struct{ V float32 }](),
		"string":               same[struct{ V string }](),
		"object":               same[struct{ V Operands }](),
		"array":                same[struct{ V [2]int }](),
	} {
		var mux jsonrpc.Mux
		mux.Handle("m", method)
		value, got := `"x"`, "string"
		if want == "string" {
			value, got = `true`, "bool"
		}
		reply := ask(t, &mux, `[`+value+`]`)
		if fault := `{"mistyped":{"V":"want ` + want + `, got ` + got + `"}}`; reply.Error == nil || string(reply.Error.Data) != fault {
			t.Errorf("got %v, want %s", reply.Error, fault)
		}
	}
	var mux jsonrpc.Mux
	mux.Handle("m", same[struct{ V time.Time }]())
	for value, why := range map[string]string{`null`: "want string, got null", `"noon"`: "parsing time"} {
		if reply := ask(t, &mux, `[`+value+`]`); reply.Error == nil || !strings.Contains(string(reply.Error.Data), why) {
			t.Errorf("time %s: got %v, want %q", value, reply.Error, why)
		}
	}
}

// Middleware may hand on params that no caller could send.
func TestFuncDefectiveParams(t *testing.T) {
	t.Parallel()
	for _, params := range []string{`{"text":`, `[1`, `7`, ` `, `{"text" 1}`, `[] []`} {
		var mux jsonrpc.Mux
		mux.Use(func(next jsonrpc.Handler) jsonrpc.Handler {
			return func(ctx context.Context, _ json.RawMessage) (any, error) { return next(ctx, json.RawMessage(params)) }
		})
		mux.Handle("m", same[query]())
		if reply := ask(t, &mux, ""); reply.Error == nil || reply.Error.Code != jsonrpc.CodeInvalidParams {
			t.Errorf("params %q: %+v, want invalid params", params, reply)
		}
	}
}

// There is no limit to the number of params.
func TestFuncManyParams(t *testing.T) {
	t.Parallel()
	type many struct{ A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R int }
	var mux jsonrpc.Mux
	mux.Handle("m", same[many]())
	reply := ask(t, &mux, `[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]`)
	if reply.Error == nil || string(reply.Error.Data) != `{"missing":["R"]}` {
		t.Errorf("got %+v, want that the last one is missing", reply)
	}
	reply = ask(t, &mux, `[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]`)
	if want := encode(t, many{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}); string(reply.Result) != want {
		t.Errorf("got %+v, want %s", reply, want)
	}
}
