package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// Beyond the deadline of a call, for a client that is slow to read the reply.
const writeMargin = 5 * time.Second

// A passage is one body on its way to a service.
type passage struct {
	question

	service string
	who     *jsonrpc.Principal
	timeout time.Duration
	key     *idempotencyKey // nil: none was given
}

// rpc passes a body on.
func (g *gateway) rpc(w http.ResponseWriter, r *http.Request, service string) {
	who, ok := g.admit(w, r)
	if !ok {
		return
	}
	p := passage{service: service, who: who}
	var err error
	if p.timeout, err = timeoutOf(r, g.Timeout); err != nil {
		refuse(w, http.StatusBadRequest, jsonrpc.CodeInvalidRequest, err.Error())
		return
	}
	body, ok := g.readBody(w, w, r)
	if !ok {
		return
	}
	var refused []byte
	p.question, refused, err = readQuestion(body, g.MaxBatch)
	switch {
	case err != nil: // with one error for all: as many as there are members could be much longer than the batch
		refuse(w, http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("a batch may have at most %d members here", g.MaxBatch))
		return
	case refused != nil:
		send(w, http.StatusBadRequest, refused)
		return
	}
	note(r, "rpc", brief(p.method()), "requests", len(p.requests))
	if p.key, err = keyOf(r, &p); err != nil {
		p.refuse(w, http.StatusBadRequest, jsonrpc.Errorf(jsonrpc.CodeInvalidRequest, "%s", err))
		return
	}
	if !g.allow(w, r, who, p.question) { // it has answered
		return
	}
	allowed, limited := g.Allowed[service]
	if method := p.unknown(allowed, limited); method != "" {
		p.refuse(w, http.StatusForbidden, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "%s cannot be called through the gateway", brief(method)))
		return
	}
	if !g.respondAsync(w, r, &p) {
		g.forward(w, r, &p)
	}
}

// forward hands a question to the service and answers with what comes of it.
func (g *gateway) forward(w http.ResponseWriter, r *http.Request, p *passage) {
	// Longer than the server's own limit, which is for answers that take no time.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.timeout + writeMargin))
	ctx, cancel := context.WithTimeout(r.Context(), p.timeout)
	defer cancel()
	began := time.Now()
	reply, err := g.ask(ctx, p, g.message(r, p))
	g.observe(r, p.service, p.method(), reply, err, time.Since(began))
	switch {
	case err != nil && r.Context().Err() != nil:
		note(r, "gone", true) // and with it whoever would read an answer
	case err != nil:
		g.refuseFor(w, r, p, err)
	case reply == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		giveTime(w, len(reply))
		send(w, http.StatusOK, reply)
	}
}

// refuseFor says why a question was not answered.
func (g *gateway) refuseFor(w http.ResponseWriter, r *http.Request, p *passage, err error) {
	status, refusal := explain(err, p.service)
	note(r, "err", err.Error())
	p.refuse(w, status, refusal)
}

// message returns what travels to the service.
func (g *gateway) message(r *http.Request, p *passage) transports.Message {
	m := transports.Message{Method: p.method(), Header: g.passport(r, p.service, p.who)}
	if p.key != nil {
		m.Key = p.key.message
	}
	if len(p.requests) > 0 {
		m.Body = p.key.cover(p.question).encode()
	}
	return m
}

// ask returns the answer to a question, nil where none is owed.
func (g *gateway) ask(ctx context.Context, p *passage, m transports.Message) (reply []byte, err error) {
	if err := checkService(p.service); err != nil {
		return nil, err
	}
	switch {
	case p.owed():
		if reply, err = g.Caller.Call(ctx, p.service, m); err != nil {
			return nil, err
		}
		if reply, err = p.complete(reply); err != nil {
			return nil, err
		}
		return p.key.uncover(p.question, reply)
	case len(p.requests) > 0:
		if err := g.Caller.Send(ctx, p.service, m); err != nil {
			return nil, err
		}
	}
	if len(p.faulty) > 0 {
		return jsonrpc.EncodeBatch(p.faulty...), nil
	}
	return nil, nil
}

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

// checkService returns ErrNoService for what is the name of none.
func checkService(name string) error {
	if err := transports.CheckName(name); err != nil {
		return fmt.Errorf("%w: %w", transports.ErrNoService, err)
	}
	return nil
}
