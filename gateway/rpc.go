package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

const (
	// One request may not stand for more calls than this: it would get past
	// whatever counts requests (geth and others learned it so).
	maxBatch = 50

	// Beyond the deadline of a call, for a client that is slow to read the reply.
	writeMargin = 5 * time.Second
)

// rpc passes a body on. It goes as it came: the service reads it by the same rules,
// so nothing would be gained by writing it anew.
func (g *gateway) rpc(w http.ResponseWriter, r *http.Request, service string) {
	who, ok := g.admit(w, r)
	if !ok {
		return
	}
	timeout, err := g.timeout(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, jsonrpc.CodeInvalidRequest, err.Error())
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.MaxBody))
	if err != nil {
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			refuse(w, http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("a body may have at most %d bytes", g.MaxBody))
		} else {
			refuse(w, http.StatusBadRequest, CodeRefused, "the body ended too early")
		}
		return
	}
	requests, batch, refused := jsonrpc.DecodeRequests(body)
	q := question{requests, batch}
	switch {
	case refused != nil:
		send(w, http.StatusBadRequest, jsonrpc.EncodeError([]byte("null"), refused))
	case !batch && requests[0].Err != nil:
		q.refuse(w, http.StatusBadRequest, requests[0].Err)
	case len(requests) > maxBatch:
		q.refuse(w, http.StatusRequestEntityTooLarge,
			jsonrpc.Errorf(CodeTooLarge, "a batch may have at most %d members here, and this one has %d", maxBatch, len(requests)))
	case q.reserved() != "":
		q.refuse(w, http.StatusForbidden, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "%s cannot be called through the gateway", q.reserved()))
	case g.respondAsync(w, r, service, body, q, who):
	default:
		g.forward(w, r, service, body, q, timeout, who)
	}
}

// forward hands the body to the caller and answers with what comes of it.
func (g *gateway) forward(w http.ResponseWriter, r *http.Request, service string, body []byte, q question, timeout time.Duration, who *jsonrpc.Principal) {
	// Longer than the server's own limit, which is for answers that take no time.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout + writeMargin))
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	m := transports.Message{Method: q.method(), Body: body, Header: g.passport(service, who)}

	began := time.Now()
	var reply []byte
	err := transports.CheckName(service)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", transports.ErrNoService, err)
	case q.owed():
		reply, err = g.Caller.Call(ctx, service, m)
	default:
		err = g.Caller.Send(ctx, service, m)
	}
	log := g.Log.With("to", service, "method", q.method(), "requests", len(q.requests), "ms", time.Since(began).Milliseconds())
	switch {
	case err != nil && r.Context().Err() != nil:
		log.DebugContext(ctx, "the caller has gone", "err", err) // so has whoever would read an answer
	case err != nil:
		status, refusal := explain(err, service)
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		log.InfoContext(ctx, "not answered", "status", status, "err", err)
		q.refuse(w, status, refusal)
	case !q.owed():
		log.DebugContext(ctx, "sent")
		w.WriteHeader(http.StatusNoContent)
	default:
		log.DebugContext(ctx, "answered")
		send(w, http.StatusOK, reply)
	}
}

// timeout is what the caller asks for, or the gateway's own if that is shorter.
func (g *gateway) timeout(r *http.Request) (time.Duration, error) { return timeoutOf(r, g.Timeout) }

// timeoutOf is what the caller asks for, or most if that is shorter.
func timeoutOf(r *http.Request, most time.Duration) (time.Duration, error) {
	const name = "Journeyman-Timeout"
	text := r.Header.Get(name)
	if text == "" {
		return most, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 1 {
		return 0, fmt.Errorf("%s must be a whole number of milliseconds, from 1", name)
	}
	if ms > most.Milliseconds() {
		return most, nil
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// A question is what a body asks for.
type question struct {
	requests []jsonrpc.Request
	batch    bool
}

// method is the label under which the message travels.
func (q question) method() string {
	if q.batch {
		return ""
	}
	return q.requests[0].Method
}

func (q question) owed() bool {
	for _, r := range q.requests {
		if r.Owed() {
			return true
		}
	}
	return false
}

// reserved returns the first method that is not for callers from outside, or "".
func (q question) reserved() string {
	for _, r := range q.requests {
		if strings.HasPrefix(r.Method, "rpc.") && r.Method != "rpc.ping" && r.Method != "rpc.discover" {
			return r.Method
		}
	}
	return ""
}
