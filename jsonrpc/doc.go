// Package jsonrpc answers JSON-RPC 2.0 requests (https://www.jsonrpc.org/specification)
// with Go functions. It moves no bytes: a [Mux] turns the body of a request into
// that of a reply, and where they come from and go to is another's affair.
//
// # A method
//
// A method is a plain function. Its params are a struct:
//
//	type Operands struct {
//		A float64 `json:"a"`
//		B float64 `json:"b"`
//	}
//
//	func Add(ctx context.Context, in Operands) (float64, error) { return in.A + in.B, nil }
//
// Registered under a name, it can be called:
//
//	var mux jsonrpc.Mux
//	mux.Handle("add", jsonrpc.Func(Add))
//	answer := mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}`))
//	// answer.Reply is {"jsonrpc":"2.0","id":1,"result":6.1}
//
// The caller may as well send {"a":1,"b":5.1}. Params that are missing, unknown
// or of the wrong type are refused before Add runs, with an error that names them.
// A method that takes nothing or returns nothing says [None]; one that wants the
// JSON itself is made by [Raw].
//
// # Errors
//
// What a caller may read is an [Error], with a code of the application's own:
//
//	func Divide(ctx context.Context, in Operands) (float64, error) {
//		if in.B == 0 {
//			return 0, jsonrpc.Errorf(1, "Division by zero").WithData(in)
//		}
//		return in.A / in.B, nil
//	}
//
// All other errors, and panics, are "Internal error" to the caller, with an id
// under which the log has the rest. The one exception are the two errors of
// package context, which have codes: [CodeTimeout] and [CodeCanceled]. A service that
// collects errors, as Sentry does, is told of them by [Mux].OnError.
//
// # Middleware
//
// What every method needs wraps them all; some is in the folder middleware:
//
//	mux.Use(middleware.Log(nil), middleware.Timeout(time.Minute))
//
// # Describing itself
//
// Options of Handle tell readers of rpc.discover, an OpenRPC document, what Go
// types cannot:
//
//	mux.Handle("divide", jsonrpc.Func(Divide),
//		jsonrpc.Summary("Divides a by b."), jsonrpc.Throws(1, "Division by zero"))
//
// rpc.ping and rpc.stats are there, too.
//
// # Notifications
//
// A request without an id is owed no reply, whatever becomes of it. So that a
// failure is not lost, [Answer] lists the notifications of a body with their
// errors, and each can be run again alone.
//
// Whether it is and when, [Policy.Next] says. A method may have a policy of its
// own, and an error may say that trying again is useless:
//
//	mux.Handle("mail", jsonrpc.Func(Mail), jsonrpc.Retry(5, time.Minute, time.Hour))
//
//	return jsonrpc.NoRetry(fmt.Errorf("no such customer: %s", id))
//
// # Handlers that do not return
//
// A handler is expected to end soon after its ctx. One that has not within
// [Mux].Grace after its deadline is stuck: its caller is answered with [CodeTimeout],
// it is counted by rpc.stats, and [Mux.Stuck] names it. Notifications and calls of
// methods with [Dedupe] are waited for until the process makes room for a fresh one.
//
// # Running once
//
// A request may come twice: its worker died, or its caller asked again. A method
// that must not run twice says for how long its replies are remembered, and passes
// on what tells its requests apart:
//
//	mux.Handle("charge", jsonrpc.Func(Charge), jsonrpc.Dedupe(24*time.Hour))
//
//	payment.Create(amount, jsonrpc.Key(ctx))
//
// See [Dedupe] for what that promises, and [Key] for where the key comes from.
//
// # The other side
//
// [EncodeCall], [EncodeNotification] and [EncodeBatch] write requests, [DecodeReply]
// and [DecodeReplies] read what comes back, and [Unmarshal] a result. Package client
// does it for you.
//
// # Where the specification leaves a choice
//
//   - An id is echoed byte for byte, fractions and numbers of any size included.
//     "id":null is a call; a notification has no id at all. An id of another type
//     makes the request invalid.
//   - Names of members are exact, "Method" is not "method". A request in which
//     jsonrpc, method, params or id occurs twice is invalid, for readers would
//     differ about which one counts. Other members are ignored.
//   - "params":null is invalid: section 4 wants an array, an object, or no member.
//   - An invalid request is answered with its id if that is legal, else with null,
//     and always answered, since what is invalid is no notification.
//   - Members of a batch may run at the same time, eight at most, and their
//     replies stand in the order of the requests. Calls with equal ids are each
//     answered. More than [MaxBatch] members are refused as one invalid request.
//   - What of a batch has not begun when its deadline passes is not begun at all.
//   - Text that is not valid UTF-8, begins with a byte order mark, or is nested
//     more than 1000 levels deep is a parse error.
//   - Details of an error that this package makes stand in its data.
package jsonrpc
