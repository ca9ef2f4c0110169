package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
)

// start serves a calculator within this process until stop is called.
func start() (via transports.Caller, stop func()) {
	var mux jsonrpc.Mux
	mux.Handle("add", jsonrpc.Func(func(_ context.Context, in operands) (float64, error) { return in.A + in.B, nil }))
	mux.Handle("divide", jsonrpc.Func(func(_ context.Context, in operands) (float64, error) {
		if in.B == 0 {
			return 0, jsonrpc.Errorf(1, "Division by zero")
		}
		return in.A / in.B, nil
	}))
	transport := memory.Open("calculator")
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		served <- transport.Serve(ctx, transports.Service{Name: "calculator", Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
			return transports.Outcome{Reply: mux.Answer(ctx, m.Body).Reply}
		}})
	}()
	return transport, func() {
		cancel()
		if err := errors.Join(<-served, transport.Close()); err != nil {
			fmt.Println(err)
		}
	}
}

func Example() {
	via, stop := start()
	defer stop()

	calculator := client.New(via, "calculator", client.Timeout(5*time.Second))
	sum, err := client.Result[float64](context.Background(), calculator, "add", []float64{1, 5.1})
	fmt.Println(sum, err)
	// Output:
	// 6.1 <nil>
}

// Telling what went wrong.
func ExampleClient_Call() {
	via, stop := start()
	defer stop()

	for _, service := range []string{"calculator", "nobody"} {
		var ratio float64
		err := client.New(via, service).Call(context.Background(), "divide", []int{1, 0}, &ratio)
		if e, ok := errors.AsType[*jsonrpc.Error](err); ok {
			fmt.Println("the service said no:", e.Message)
		} else if errors.Is(err, transports.ErrNoService) {
			fmt.Println("the journey failed: there is no such service")
		}
	}
	// Output:
	// the service said no: Division by zero
	// the journey failed: there is no such service
}

func ExampleClient_Batch() {
	via, stop := start()
	defer stop()

	var sum, ratio float64
	add := &client.Call{Method: "add", Params: []float64{1, 5.1}, Result: &sum}
	divide := &client.Call{Method: "divide", Params: []float64{1, 0}, Result: &ratio}
	if err := client.New(via, "calculator").Batch(context.Background(), add, divide); err != nil {
		fmt.Println(err)
	}
	fmt.Println(sum, add.Err)
	fmt.Println(ratio, divide.Err)
	// Output:
	// 6.1 <nil>
	// 0 calculator.divide: Division by zero (1)
}

func ExampleClient_Bind() {
	via, stop := start()
	defer stop()

	var calculator struct {
		Add func(ctx context.Context, a, b float64) (float64, error)
	}
	if err := client.New(via, "calculator").Bind(&calculator); err != nil {
		fmt.Println(err)
	}
	fmt.Println(calculator.Add(context.Background(), 1, 5.1))
	// Output:
	// 6.1 <nil>
}

// A job for later, which nobody waits for.
func ExampleClient_Notify() {
	via, stop := start()
	defer stop()

	calculator := client.New(via, "calculator")
	err := calculator.Notify(context.Background(), "add", []float64{1, 5.1},
		client.In(time.Hour), client.Unique("nightly sum"))
	fmt.Println(err)
	// Output:
	// <nil>
}
