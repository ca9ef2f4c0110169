package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/journeyman-go/journeyman/internal/webapp"
	"github.com/journeyman-go/journeyman/jsonrpc"
)

// A question is what a body asks for.
type question struct {
	requests []jsonrpc.Request // those that are passed on
	faulty   [][]byte          // of a batch: the answers to members that are no requests
	batch    bool
}

// errTooMany says that a batch has more members than it may.
var errTooMany = errors.New("too many members")

// readQuestion reads a body. refused is what JSON-RPC has to say to a body of which
// nothing can be passed on, with the id that it could be read to have.
func readQuestion(body []byte, most int) (q question, refused []byte, err error) {
	requests, batch, refusal := jsonrpc.DecodeRequests(body)
	switch {
	case refusal != nil:
		return q, jsonrpc.EncodeError(null, refusal), nil
	case len(requests) > most:
		return q, nil, errTooMany
	case !batch && requests[0].Err != nil:
		return q, jsonrpc.EncodeError(requests[0].ID, requests[0].Err), nil
	}
	q.batch = batch
	for _, r := range requests {
		if r.Err != nil {
			q.faulty = append(q.faulty, jsonrpc.EncodeError(r.ID, r.Err))
		} else {
			q.requests = append(q.requests, r)
		}
	}
	return q, nil, nil
}

var null = []byte("null")

// encode returns the body to pass on. It is written anew, so that no two readers can
// understand it in two ways: there is no member twice in it, and none that nobody knows.
func (q question) encode() []byte {
	members := make([][]byte, len(q.requests))
	for i, r := range q.requests {
		members[i] = r.Encode()
	}
	if !q.batch {
		return members[0]
	}
	return jsonrpc.EncodeBatch(members...)
}

// method is the label under which the message travels.
func (q question) method() string {
	if q.batch {
		return ""
	}
	return q.requests[0].Method
}

// owed reports whether the service owes a reply.
func (q question) owed() bool {
	return slices.ContainsFunc(q.requests, func(r jsonrpc.Request) bool { return r.Call })
}

// unknown returns the first method that is not for callers from outside, or "": of the
// reserved ones those that help clients are, and of a service whose workers know nothing
// of public methods those in allowed. That of web apps is not, as they believe what the
// gateway says of a browser.
func (q question) unknown(allowed []string, limited bool) string {
	for _, r := range q.requests {
		reserved := r.Method == webapp.Method || strings.HasPrefix(r.Method, "rpc.") && r.Method != "rpc.ping" && r.Method != "rpc.discover"
		if reserved || len(r.Method) > mostMethod || limited && !permits(allowed, r.Method) {
			return r.Method
		}
	}
	return ""
}

// mostMethod is the length in bytes from where on no method is passed on: its name travels
// beside the body, stands in logs, and is repeated to each member of a batch.
const mostMethod = 255

// brief is a text of somebody outside as others are to read it.
func brief(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func permits(allowed []string, method string) bool {
	return slices.Contains(allowed, method) || slices.Contains(allowed, "*")
}

// errNoReply says that what a service answered is no JSON-RPC.
var errNoReply = errors.New("the service's answer is no JSON-RPC response")

// complete checks what the service answered, and adds what the gateway itself has to say.
func (q question) complete(reply []byte) ([]byte, error) {
	replies, batch, err := jsonrpc.DecodeReplies(reply)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errNoReply, err)
	case batch && !q.batch, !batch && replies[0].Error == nil && q.batch:
		return nil, errNoReply
	case len(q.faulty) == 0 || !batch:
		return reply, nil
	}
	members := q.faulty
	if len(replies) > 0 {
		inner := bytes.TrimSpace(reply)
		members = append([][]byte{inner[1 : len(inner)-1]}, members...)
	}
	return jsonrpc.EncodeBatch(members...), nil
}

// refuse gives every member that is owed a reply the same error. Where none is,
// the status alone counts, and the error stands without an id.
func (q question) refuse(w http.ResponseWriter, status int, e *jsonrpc.Error) {
	replies := q.faulty
	for _, r := range q.requests {
		if r.Call {
			replies = append(replies, jsonrpc.EncodeError(r.ID, e))
		}
	}
	advise(w, status, e.Code)
	switch {
	case len(replies) == 0:
		refuse(w, status, e.Code, e.Message)
	case q.batch:
		send(w, status, jsonrpc.EncodeBatch(replies...))
	default:
		send(w, status, replies[0])
	}
}

// isListed reports whether a service is one whose workers do not know which methods are
// public. None of these has pages.
func (g *gateway) isListed(service string) bool {
	_, listed := g.Allowed[service]
	return listed
}
