package memory_test

import (
	"context"
	"fmt"

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
