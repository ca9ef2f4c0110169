// Package memory is a transport within one process, for tests and examples. It
// keeps the whole contract of package transports, with a broker that is a Go
// value and lives as long as it is referenced.
//
// Most tests need one transport that serves and calls:
//
//	tr := memory.Open("calculator")
//	defer tr.Close()
//	go tr.Serve(ctx, transports.Service{Name: "calculator", Handler: handler})
//	reply, err := tr.Call(ctx, "calculator", transports.Message{Body: body})
//
// Nothing needs to wait for Serve to be up: as with a real broker, messages for
// an announced name stand in a queue until someone serves it.
//
// A test of several processes opens a transport for each on one broker. Closing
// one of them is then what a crash is elsewhere: its handlers are cancelled, and
// another process gets what they had not finished, with Redelivered set.
//
//	broker := memory.New()
//	caller := broker.Open(memory.Options{Catalogue: []string{"calculator"}})
//	worker := broker.Open(memory.Options{})
//	spare := broker.Open(memory.Options{})
//
// A test of messages that fail for good looks at what was buried with
// [Transport.DeadLetters], and runs it again with [Transport.RetryDead]. Nothing
// here dies of a message, so a handler that plays one of which workers die returns
// the verdict Suspect. Such messages are not run apart from others.
//
// Waits are channels and timers only, so everything here also runs within
// testing/synctest, where retries and delays of hours take no time.
package memory
