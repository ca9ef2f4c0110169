package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/internal/ticket"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

const (
	defaultAsyncTimeout = time.Hour
	defaultAsyncKeep    = time.Hour

	// collectFor bounds a question to the broker, beyond what is waited for a reply.
	collectFor = 5 * time.Second

	// askAgain is how many seconds a client is asked to wait before it polls again.
	askAgain = "2"
)

// A receipt is the body of a 202: of a call that was taken, or is not answered yet.
type receipt struct {
	Ticket   string `json:"ticket"`
	URL      string `json:"url"`
	Deadline string `json:"deadline,omitempty"` // RFC 3339: until then the call may run
	Kept     int    `json:"kept,omitempty"`     // seconds for which its result can be fetched, at least
}

// respondAsync gives a ticket for a call whose client would rather have that than wait
// (RFC 7240, section 4.1). It returns false where it has not answered, as it cannot do
// it: no reply is owed, or none can be kept.
func (g *gateway) respondAsync(w http.ResponseWriter, r *http.Request, p *passage) bool {
	prefer := preferred(r)
	mailbox, ok := transports.Ability[transports.Mailbox](g.Caller)
	if !prefer.async || !ok || !p.owed() || transports.CheckName(p.service) != nil {
		return false
	}
	// The broker keeps what the service says, to which nothing could be added.
	switch {
	case p.key != nil:
		p.refuse(w, http.StatusBadRequest, jsonrpc.Errorf(jsonrpc.CodeInvalidRequest, "respond-async and Idempotency-Key do not go together"))
		return true
	case len(p.faulty) > 0:
		p.refuse(w, http.StatusBadRequest, jsonrpc.Errorf(jsonrpc.CodeInvalidRequest, "respond-async wants a batch of requests alone; nothing of it was passed on"))
		return true
	}
	timeout, err := timeoutOf(r, g.AsyncTimeout)
	if err != nil {
		refuse(w, http.StatusBadRequest, jsonrpc.CodeInvalidRequest, err.Error())
		return true
	}
	t := ticket.New(p.service)
	box := ticket.Box(t, subject(p.who))
	m := g.message(r, p)
	m.Expires = time.Now().Add(timeout)
	ctx, cancel := context.WithTimeout(r.Context(), g.Timeout)
	defer cancel()
	began := time.Now()
	_ = http.NewResponseController(w).SetWriteDeadline(began.Add(g.Timeout + writeMargin))
	err = mailbox.Submit(ctx, p.service, box, m, g.AsyncKeep)
	if errors.Is(err, transports.ErrUnsupported) {
		return false
	}
	g.observe(r, p.service, p.method(), nil, err, time.Since(began))
	if err != nil {
		g.refuseFor(w, r, p, err)
		return true
	}
	h := w.Header()
	h.Set("Preference-Applied", "respond-async")
	h.Set("Location", urlOf(t))
	if prefer.wait > 0 {
		wait := min(prefer.wait, g.Timeout)
		h.Set("Preference-Applied", "respond-async, wait="+seconds(wait))
		if reply, err := g.collect(w, r, mailbox, t, box, wait); err == nil {
			h.Del("Location")
			send(w, http.StatusOK, reply)
			return true
		} // whatever is wrong, the ticket is good to learn of it
	}
	sendReceipt(w, receipt{Ticket: t, Deadline: m.Expires.UTC().Format(time.RFC3339), Kept: int(g.AsyncKeep / time.Second)})
	return true
}

// ticket answers GET /tickets/TICKET: with the reply, with 202 while there is none, or as
// a stream of events that ends with the reply. To anybody else than whoever made the call
// there is no such ticket.
func (g *gateway) ticket(w http.ResponseWriter, r *http.Request, t string) {
	if !g.guard(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	who, ok := g.authenticate(w, r)
	if !ok {
		return
	}
	if !g.allow(w, r, who, question{}) { // it has answered
		return
	}
	mailbox, ok := transports.Ability[transports.Mailbox](g.Caller)
	service, err := ticket.Service(t)
	if !ok || err != nil {
		noTicket(w)
		return
	}
	box := ticket.Box(t, subject(who))
	if acceptsEvents(r) {
		end, ok := g.streams.begin(g.whose(r, who))
		if !ok {
			rateLimited(w, question{}, time.Minute, "too many streams of this caller are open")
			return
		}
		defer end()
		g.follow(w, r, mailbox, t, box)
		return
	}
	wait := min(preferred(r).wait, g.Timeout)
	if wait > 0 {
		w.Header().Set("Preference-Applied", "wait="+seconds(wait))
	}
	reply, err := g.collect(w, r, mailbox, t, box, wait)
	switch {
	case err == nil:
		giveTime(w, len(reply))
		send(w, http.StatusOK, reply)
	case errors.Is(err, transports.ErrPending):
		sendReceipt(w, receipt{Ticket: t})
	case r.Context().Err() != nil: // whoever would read an answer has gone
	default:
		note(r, "err", err.Error())
		refuseTicket(w, err, service)
	}
}

// collect looks into a box and waits for the reply, but not longer than this process
// serves. Its error is ErrPending also where the wait ended for that reason.
func (g *gateway) collect(w http.ResponseWriter, r *http.Request, mailbox transports.Mailbox, t, box string, wait time.Duration) ([]byte, error) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + collectFor + writeMargin))
	ctx, cancel := context.WithTimeout(r.Context(), wait+collectFor)
	defer cancel()
	waiting, leave := context.WithCancel(ctx)
	defer leave()
	if wait > 0 {
		go func() {
			select {
			case <-g.Draining: // never, where it is nil
				leave()
			case <-waiting.Done():
			}
		}()
	}
	service, _ := ticket.Service(t)
	reply, err := mailbox.Collect(waiting, service, box, wait)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return mailbox.Collect(ctx, service, box, 0)
	}
	return reply, err
}

// refuseTicket says why there is no reply, and none to wait for.
func refuseTicket(w http.ResponseWriter, err error, service string) {
	if errors.Is(err, transports.ErrNoBox) {
		noTicket(w)
		return
	}
	status, refusal := explainTicket(err, service)
	refuse(w, status, refusal.Code, refusal.Message)
}

func explainTicket(err error, service string) (status int, e *jsonrpc.Error) {
	switch {
	case errors.Is(err, transports.ErrExpired):
		return http.StatusGatewayTimeout, jsonrpc.Errorf(jsonrpc.CodeTimeout, "no reply came within the time that the call was given")
	case errors.Is(err, context.DeadlineExceeded): // of looking, not of the call
		return http.StatusServiceUnavailable, jsonrpc.Errorf(CodeUnavailable, "the broker does not answer now")
	}
	return explain(err, service)
}

func noTicket(w http.ResponseWriter) {
	refuse(w, http.StatusNotFound, CodeNoTicket, "there is no such ticket, or its result is kept no longer")
}

// sendReceipt answers with 202.
func sendReceipt(w http.ResponseWriter, r receipt) {
	r.URL = urlOf(r.Ticket)
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("encode a receipt: %v", err)) // strings and numbers
	}
	w.Header().Set("Retry-After", askAgain)
	send(w, http.StatusAccepted, text)
}

func urlOf(t string) string { return "/tickets/" + t }

func acceptsEvents(r *http.Request) bool {
	return strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Accept"), ",")), eventStream)
}
