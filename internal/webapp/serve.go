package webapp

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// beside is what a reply says beside the body, in bytes: nearly all of it is the header
// of the response.
const beside = 16 << 10

// Serve returns the methods of an app: the one that hands requests to h. A reply has at
// most so many bytes. What a handler may do to its caller, to panic or not to return, it
// may do to the mux, which deals with it as it does with any method.
func Serve(h http.Handler, mostReply int, log *slog.Logger) *jsonrpc.Mux {
	a := &app{handler: h, mostReply: mostReply, log: log}
	mux := new(jsonrpc.Mux)
	mux.Handle(Method, jsonrpc.Raw(a.serve), jsonrpc.Summary("answers an HTTP request, as docs/wire-apps.md says"), jsonrpc.Public())
	return mux
}

type app struct {
	handler   http.Handler
	mostReply int
	log       *slog.Logger
}

// limit is how many bytes a body may have: in a reply it is base64, four for three.
func (a *app) limit() int64 { return int64(max(a.mostReply-beside, a.mostReply/2)) / 4 * 3 }

// serve is the method. It reads its params without jsonrpc.Func, which would refuse those
// of a newer gateway that says more.
func (a *app) serve(ctx context.Context, params json.RawMessage) (any, error) {
	var in Request
	err := jsonrpc.Unmarshal(params, &in)
	if err != nil {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "Invalid params").WithData(err.Error())
	}
	r, err := in.HTTP(ctx)
	if err != nil {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "Invalid params").WithData(err.Error())
	}
	r.Header.Del(HeaderRedelivered)
	if jsonrpc.Redelivered(ctx) {
		r.Header.Set(HeaderRedelivered, "true")
	}
	about := r.Method + " " + r.URL.Path // without the query, which may hold secrets
	w := &writer{method: r.Method, limit: a.limit(), header: make(http.Header)}
	if aborted := a.run(w, r, about); aborted {
		return nil, jsonrpc.Errorf(CodeAborted, "the app broke off")
	}
	out, size := w.response()
	if size == nil && out.size() > a.mostReply {
		size = &Size{Bytes: w.written, Limit: w.limit}
	}
	if size != nil {
		a.log.ErrorContext(ctx, "response dropped: it is larger than a message may be (JOURNEYMAN_MAX_MESSAGE)",
			"request", about, "status", w.sent.Status, "bytes", size.Bytes, "limit", size.Limit)
		return nil, jsonrpc.Errorf(CodeResponseTooLarge, "response too large").WithData(size)
	}
	return out, nil
}

// run calls the handler. Its panics go on to the mux, and say at which request, except
// for the one with which handlers break off without a word.
func (a *app) run(w http.ResponseWriter, r *http.Request, about string) (aborted bool) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			aborted = true
		default:
			panic(fmt.Sprintf("%s: %v", about, v))
		}
	}()
	a.handler.ServeHTTP(w, r)
	return false
}
