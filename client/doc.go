// Package client calls the methods of services over any transport.
//
// A [Client] is made of a transport and the name of a service:
//
//	calculator := client.New(transport, "calculator")
//
// # Calls
//
// A call names its method, gives the params, and says where the result goes, or
// of which type it is:
//
//	var sum float64
//	err := calculator.Call(ctx, "add", []float64{1, 5.1}, &sum)
//
//	sum, err := client.Result[float64](ctx, calculator, "add", []float64{1, 5.1})
//
// Batch sends several requests as one message.
//
// # Jobs
//
// Notify hands work over and waits for no result. The work is durable: it is tried
// again when it fails, and can be put off, or dropped where the same waits already:
//
//	err := mail.Notify(ctx, "welcome", user, client.In(time.Hour))
//	err := mail.Notify(ctx, "digest", user, client.At(nine), client.Unique("digest:"+user.ID))
//
// # Asking again
//
// After an error of the journey the caller does not know whether the method has
// run. With a [Key] it can ask again, and gets the first result if there is one:
//
//	err := payments.Call(ctx, "charge", order, &receipt, client.Key("charge:"+order.ID))
//
// That takes a method registered with jsonrpc.Dedupe; any other runs each time.
//
// # Local calls
//
// [Client.Bind] fills a struct of functions, after which a remote call reads
// like a local one:
//
//	var calc struct {
//		Add func(ctx context.Context, a, b float64) (float64, error)
//	}
//	err := calculator.Bind(&calc)
//	sum, err := calc.Add(ctx, 1, 5.1)
//
// # Deadlines
//
// Every call has one: that of its context, but [DefaultTimeout] from now at the
// latest, or what [Timeout] says. It travels with the call. A handler that calls
// another service passes its own context on, so that nothing is done for a caller
// who has given up. The call then also takes along the id of the request at the
// gateway for which all of it is done, and the logs of the other service have it, too.
//
// # Errors
//
// There are three kinds, and each tells something else of what happened:
//
//   - The service said no: errors.As finds a *[jsonrpc.Error].
//   - The journey failed: errors.Is finds one of the errors of package
//     transports, which say whether the request was handed over, or the
//     context's, after which the method may have run or not.
//   - What came back is no answer: errors.As finds a *[ReplyError]. The method
//     has probably run.
//
// A service that gave up at the deadline says so by jsonrpc.CodeTimeout, which
// errors.Is takes for context.DeadlineExceeded: that and the caller's own timer
// are the same event, and which of them is noticed first is chance.
package client
