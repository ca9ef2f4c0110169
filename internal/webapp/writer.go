package webapp

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// errTooLarge is what a handler is told that writes more than a message can carry.
var errTooLarge = errors.New("the response is too large to travel through a broker")

// A writer is the http.ResponseWriter of a handler. It keeps the response, as that
// travels in one piece. So it is no http.Flusher: a handler that asks is told the truth.
type writer struct {
	method  string
	limit   int64 // bytes of a body
	header  http.Header
	sent    Response // as of WriteHeader
	written int64    // also what is not kept
	over    bool     // a part of the body had no room
}

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. As in net/http the first status counts,
// interim ones aside, and what is no status is the handler's mistake.
func (w *writer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if w.sent.Status != 0 || status < http.StatusOK {
		return
	}
	w.sent.Status, w.sent.Header = status, Header(w.header.Clone())
}

// Write implements http.ResponseWriter.
func (w *writer) Write(p []byte) (int, error) { return write(w, p) }

// WriteString implements io.StringWriter.
func (w *writer) WriteString(s string) (int, error) { return write(w, s) }

func write[T string | []byte](w *writer, p T) (int, error) {
	w.WriteHeader(http.StatusOK)
	if bodiless(w.sent.Status) {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	switch {
	case w.method == http.MethodHead:
		return len(p), nil
	case w.over || w.written > w.limit:
		w.over = true
		return 0, errTooLarge
	}
	w.sent.Body = append(w.sent.Body, p...)
	return len(p), nil
}

// response returns what the handler has written, or how much too large that is.
func (w *writer) response() (*Response, *Size) {
	w.WriteHeader(http.StatusOK)
	header := http.Header(w.sent.Header)
	if w.over {
		said, _ := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
		return nil, &Size{Bytes: max(w.written, said), Limit: w.limit}
	}
	if _, said := header["Content-Type"]; !said && len(w.sent.Body) > 0 && header.Get("Content-Encoding") == "" {
		header.Set("Content-Type", http.DetectContentType(w.sent.Body)) // as net/http does
	}
	if w.method == http.MethodHead && w.written > 0 && header.Get("Content-Length") == "" {
		header.Set("Content-Length", strconv.FormatInt(w.written, 10))
	}
	_ = w.sent.Check(w.method) // which WriteHeader has done
	return &w.sent, nil
}
