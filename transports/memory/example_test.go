package memory_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
)

func Example() {
	tr := memory.Open("greeter")
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		served <- tr.Serve(ctx, transports.Service{
			Name: "greeter",
			Handler: func(_ context.Context, m transports.Message) transports.Outcome {
				return transports.Outcome{Reply: append([]byte("hello, "), m.Body...)}
			},
		})
	}()

	reply, err := tr.Call(ctx, "greeter", transports.Message{Body: []byte("world")})
	fmt.Println(string(reply), err)

	stop()
	fmt.Println(<-served, tr.Close())
	// Output:
	// hello, world <nil>
	// <nil> <nil>
}

// Two processes on one broker: what the first leaves unfinished runs in the second.
func ExampleBroker() {
	broker := memory.New()
	caller := broker.Open(memory.Options{Catalogue: []string{"greeter"}})
	defer caller.Close()

	first := broker.Open(memory.Options{})
	started := make(chan struct{})
	go first.Serve(context.Background(), transports.Service{
		Name: "greeter",
		Handler: func(ctx context.Context, _ transports.Message) transports.Outcome {
			close(started)
			<-ctx.Done()
			return transports.Outcome{}
		},
	})
	go func() {
		<-started
		first.Close()
	}()

	second := broker.Open(memory.Options{})
	defer second.Close()
	go func() {
		<-started
		second.Serve(context.Background(), transports.Service{
			Name: "greeter",
			Handler: func(_ context.Context, m transports.Message) transports.Outcome {
				return transports.Outcome{Reply: fmt.Appendf(nil, "redelivered: %v", m.Redelivered)}
			},
		})
	}()

	reply, err := caller.Call(context.Background(), "greeter", transports.Message{})
	fmt.Println(string(reply), err)
	// Output: redelivered: true <nil>
}

// A message that was given up is found among the dead letters, and runs again.
func ExampleTransport_RetryDead() {
	tr := memory.Open("orders")
	defer tr.Close()
	ctx := context.Background()
	var fixed atomic.Bool
	shipped := make(chan string)
	go tr.Serve(ctx, transports.Service{
		Name: "orders",
		Handler: func(_ context.Context, m transports.Message) transports.Outcome {
			if !fixed.Load() {
				return transports.Outcome{Reply: []byte("sorry"), Verdict: transports.Bury, Err: errors.New("no such warehouse")}
			}
			shipped <- fmt.Sprintf("%s, attempt %d", m.Body, len(m.History)+1)
			return transports.Outcome{}
		},
	})
	reply, err := tr.Call(ctx, "orders", transports.Message{ID: "order-42", Body: []byte("two chairs")})
	fmt.Println(string(reply), err)

	fixed.Store(true)
	err = tr.DeadLetters(ctx, "orders", func(d transports.DeadLetter) bool {
		fmt.Printf("%s: %s\n", d.ID, d.Reason)
		n, err := tr.RetryDead(ctx, "orders", d.ID)
		fmt.Println(n, err)
		return true
	})
	fmt.Println(<-shipped, err)
	// Output:
	// sorry <nil>
	// order-42: no such warehouse
	// 1 <nil>
	// two chairs, attempt 2 <nil>
}
