package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// What is read of a body that is refused for its length, and for how long: a connection
// that is closed on somebody who still sends is reset, and the refusal lost with it. Most
// clients look for an answer when they have sent all (RFC 9112, section 9.6).
const (
	lingerBytes = 64 << 20
	lingerFor   = 5 * time.Second
)

// readBody reads what the gateway takes. If ok is false, it has answered.
func (g *gateway) readBody(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	var err error = &http.MaxBytesError{Limit: g.MaxBody}
	if r.ContentLength <= g.MaxBody {
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, g.MaxBody))
	}
	if err == nil {
		return body, true
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); !over {
		refuse(w, http.StatusBadRequest, CodeRefused, "the body ended too early")
		return nil, false
	}
	w.Header().Set("Connection", "close")
	if r.Header.Get("Expect") == "" { // otherwise its sender waits for our word
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerFor))
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, lingerBytes))
	}
	refuse(w, http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("a body may have at most %d bytes", g.MaxBody))
	return nil, false
}
