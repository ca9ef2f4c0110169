package httprpc

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// An answer is given once; later ones are dropped. The deadline may give it while the
// handler still runs.
type answer struct {
	mu      sync.Mutex
	given   bool
	w       http.ResponseWriter
	control *http.ResponseController
	desk    *desk // nil before there is one
}

// give returns false where an answer was given before.
func (a *answer) give(status int, kind string, body []byte, refused *refusal) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.given {
		return false
	}
	a.given = true
	_ = a.control.SetWriteDeadline(time.Now().Add(writeReply)) // the caller may read slowly, and not for ever
	h := a.w.Header()
	if kind != "" {
		h.Set("Content-Type", kind)
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if refused != nil {
		refused.describe(h)
	}
	if a.desk != nil && a.desk.isStopping() {
		h.Set("Connection", "close")
	}
	a.w.WriteHeader(status)
	_, _ = a.w.Write(body)
	// On its way before this message counts as done, after which the process may end.
	_ = a.control.Flush()
	return true
}

// end lets no answer through any more, as the request is over.
func (a *answer) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.given = true
}

func (a *answer) reply(body []byte) bool { return a.give(http.StatusOK, contentType, body, nil) }

// accepted says that the message is taken, or done, and that no reply comes.
func (a *answer) accepted() bool { return a.give(http.StatusNoContent, "", nil, nil) }

func (a *answer) refuse(r *refusal) bool { return a.give(r.status, plainText, []byte(r.text+"\n"), r) }

const plainText = "text/plain; charset=utf-8"

// describe puts into a header what programs need to know of a refusal.
func (r *refusal) describe(h http.Header) {
	h.Set(headerRefused, r.word)
	switch r.status {
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
		if r.word == refusedDraining {
			h.Set("Connection", "close")
		}
	case http.StatusGatewayTimeout:
		h.Set("Connection", "close") // a handler that is deaf to its context would hold up the next request
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="journeyman"`)
	}
}
