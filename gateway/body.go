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

// readBody reads what the gateway takes. If ok is false, it has answered, to plain.
func (g *gateway) readBody(w, plain http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	if !g.hold(r) {
		refuse(plain, http.StatusServiceUnavailable, CodeBusy, "too many large requests are under way; nothing was handed over")
		return nil, false
	}
	var err error = &http.MaxBytesError{Limit: g.MaxBody}
	if r.ContentLength <= g.MaxBody {
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, g.MaxBody))
	}
	if err == nil {
		return body, true
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); !over {
		refuse(plain, http.StatusBadRequest, CodeRefused, "the body ended too early")
		return nil, false
	}
	w.Header().Set("Connection", "close")
	if r.Header.Get("Expect") == "" { // otherwise its sender waits for our word
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerFor))
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, lingerBytes))
	}
	refuse(plain, http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("a body may have at most %d bytes", g.MaxBody))
	return nil, false
}

// mostInHand bounds the bodies that are in memory at the same time, in bytes, unless one
// alone may have more. Each is there two or three times, and until its answer has come.
const mostInHand = 48 << 20

// hold counts a request's body as in memory until the request is over. It returns false
// where there is no room for it.
func (g *gateway) hold(r *http.Request) bool {
	size := r.ContentLength
	if size < 0 || size > g.MaxBody {
		size = g.MaxBody // more is not kept
	}
	if now := g.inHand.Add(size); now > max(mostInHand, g.MaxBody) {
		g.inHand.Add(-size)
		return false
	}
	visitOf(r).held += size
	return true
}

// slowest is how fast whoever is answered must read at least, in bytes a second.
const slowest = 32 << 10

// giveTime lets an answer of that many bytes take from now on what slow networks need.
func giveTime(w http.ResponseWriter, size int) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeMargin + time.Duration(size)*time.Second/slowest))
}
