package jsonrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

type Operands struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

func Add(_ context.Context, in Operands) (float64, error) { return in.A + in.B, nil }

func Divide(_ context.Context, in Operands) (float64, error) {
	if in.B == 0 {
		return 0, jsonrpc.Errorf(1, "Division by zero").WithData(in)
	}
	return in.A / in.B, nil
}

func Example() {
	var mux jsonrpc.Mux
	mux.Handle("add", jsonrpc.Func(Add))
	answer := mux.Answer(context.Background(), []byte(`{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}`))
	fmt.Printf("%s\n", answer.Reply)
	// Output:
	// {"jsonrpc":"2.0","id":1,"result":6.1}
}

func ExampleFunc() {
	var mux jsonrpc.Mux
	mux.Handle("add", jsonrpc.Func(Add))
	for _, params := range []string{`[1,5.1]`, `{"b":5.1,"a":1}`, `{"a":1,"c":"x"}`, `["1",2]`} {
		body := `{"jsonrpc":"2.0","id":1,"method":"add","params":` + params + `}`
		reply, err := jsonrpc.DecodeReply(mux.Answer(context.Background(), []byte(body)).Reply)
		if err != nil {
			fmt.Println(err)
		} else if reply.Error != nil {
			fmt.Println(reply.Error)
		} else {
			fmt.Printf("%s\n", reply.Result)
		}
	}
	// Output:
	// 6.1
	// 6.1
	// Invalid params (-32602): {"missing":["b"],"unknown":["c"]}
	// Invalid params (-32602): {"mistyped":{"a":"want number, got string"}}
}

func ExampleRaw() {
	var mux jsonrpc.Mux
	mux.Handle("size", jsonrpc.Raw(func(_ context.Context, params json.RawMessage) (any, error) {
		return len(params), nil
	}))
	fmt.Printf("%s\n", mux.Answer(context.Background(), []byte(`{"jsonrpc":"2.0","id":1,"method":"size","params":[1, 2]}`)).Reply)
	// Output:
	// {"jsonrpc":"2.0","id":1,"result":6}
}

func ExampleError() {
	var mux jsonrpc.Mux
	mux.Handle("divide", jsonrpc.Func(Divide), jsonrpc.Throws(1, "Division by zero"))
	fmt.Printf("%s\n", mux.Answer(context.Background(), []byte(`{"jsonrpc":"2.0","id":1,"method":"divide","params":[1,0]}`)).Reply)
	// Output:
	// {"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"Division by zero","data":{"a":1,"b":0}}}
}

func ExampleMux_Use() {
	var mux jsonrpc.Mux
	mux.Use(func(next jsonrpc.Handler) jsonrpc.Handler {
		return func(ctx context.Context, params json.RawMessage) (any, error) {
			fmt.Println("running", jsonrpc.MethodName(ctx))
			return next(ctx, params)
		}
	})
	mux.Handle("add", jsonrpc.Func(Add))
	mux.Answer(context.Background(), []byte(`{"jsonrpc":"2.0","method":"add","params":[1,2]}`))
	// Output:
	// running add
}

// A batch holds calls and notifications; only calls are answered.
func ExampleMux_Answer_batch() {
	var mux jsonrpc.Mux
	mux.Handle("add", jsonrpc.Func(Add))
	mux.Handle("divide", jsonrpc.Func(Divide))
	answer := mux.Answer(context.Background(), []byte(`[
		{"jsonrpc":"2.0","id":"a","method":"add","params":[1,2]},
		{"jsonrpc":"2.0","method":"divide","params":[1,0]},
		{"jsonrpc":"2.0","id":"b","method":"add","params":[3,4]}]`))
	fmt.Println(strings.ReplaceAll(string(answer.Reply), "},", "},\n"))
	for _, n := range answer.Notifications {
		fmt.Printf("%s: %v\n", n.Method, n.Err)
	}
	// Output:
	// [{"jsonrpc":"2.0","id":"a","result":3},
	// {"jsonrpc":"2.0","id":"b","result":7}]
	// divide: Division by zero (1): {"a":1,"b":0}
}

func ExampleEncodeCall() {
	body, err := jsonrpc.EncodeCall(json.RawMessage(`"k1"`), "add", Operands{A: 1, B: 5.1})
	fmt.Printf("%s %v\n", body, err)
	// Output:
	// {"jsonrpc":"2.0","id":"k1","method":"add","params":{"a":1,"b":5.1}} <nil>
}

// Errors go to a service that collects them. With Sentry's library, say, the function is
//
//	hub := sentry.CurrentHub().Clone()
//	hub.Scope().SetTags(map[string]string{"method": f.Method, "id": f.ID, "trace": f.Trace})
//	hub.CaptureException(f.Err)
func ExampleMux_OnError() {
	mux := jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler)}
	mux.OnError = func(_ context.Context, f jsonrpc.Failure) {
		fmt.Printf("%s failed at attempt %d: %v (with a stack: %t)\n", f.Method, f.Attempt, f.Err, f.Stack != nil)
	}
	mux.Handle("mail", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		return nil, errors.New("the mail server is busy")
	}))
	mux.Handle("head", jsonrpc.Func(func(_ context.Context, list []int) (int, error) { return list[0], nil }))

	ctx := jsonrpc.WithDelivery(context.Background(), jsonrpc.Delivery{Attempt: 2}) // package runner does it
	mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","method":"mail"}`))
	mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","id":1,"method":"head","params":[]}`))
	// Output:
	// mail failed at attempt 2: the mail server is busy (with a stack: false)
	// head failed at attempt 2: panic: runtime error: index out of range [0] with length 0 (with a stack: true)
}

// What a failed notification is tried again for, and what not.
func ExampleRetry() {
	mux := jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler)}
	mux.Handle("mail", jsonrpc.Raw(func(_ context.Context, params json.RawMessage) (any, error) {
		if string(params) == `["nobody"]` {
			return nil, jsonrpc.NoRetry(errors.New("no such user"))
		}
		return nil, errors.New("the mail server is busy")
	}), jsonrpc.Retry(5, time.Minute, time.Hour))

	for _, params := range []string{`["ada"]`, `["nobody"]`} {
		answer := mux.Answer(context.Background(), []byte(`{"jsonrpc":"2.0","method":"mail","params":`+params+`}`))
		n := answer.Notifications[0]
		_, again := mux.Policy(n.Method).Next(1, n.Err)
		fmt.Println(n.Err, again)
	}
	// Output:
	// the mail server is busy true
	// no such user false
}
