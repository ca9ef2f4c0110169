package gateway

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// headerRequestID names what a message takes along: the id under which the gateway, and
// whatever router is in front, log a request.
const headerRequestID = "x-request-id"

// A visit is one request, and what the log is to say of it.
type visit struct {
	id    string
	attrs []any
	held  int64 // bytes of bodies that are in memory for it
}

type visitKey struct{}

// visitOf returns that of the request, which visited has made.
func visitOf(r *http.Request) *visit {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok {
		return v
	}
	return new(visit)
}

func requestID(r *http.Request) string { return visitOf(r).id }

// note adds to what the log says of a request: keys and values. Neither bodies nor headers
// that are secret are among it.
func note(r *http.Request, attrs ...any) {
	v := visitOf(r)
	v.attrs = append(v.attrs, attrs...)
}

// visited gives a request its id and logs it when it is over.
func (g *gateway) visited(next func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		v := &visit{id: r.Header.Get("X-Request-ID")}
		if !isRequestID(v.id) {
			v.id = rand.Text()
		}
		w.Header().Set("X-Request-ID", v.id)
		seen := &recorder{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		next(seen, r)
		g.inHand.Add(-v.held)
		level := slog.LevelInfo
		if room, _ := roomOf(r.URL.Path); slices.Contains([]string{"livez", "readyz", "metrics", "scaling.json", "hirefire"}, room) {
			level = slog.LevelDebug // several times a minute, for ever
		}
		g.Log.Log(r.Context(), level, "request", append([]any{
			"method", r.Method, "path", brief(shownPath(r.URL.EscapedPath())), "status", seen.status, "bytes", seen.bytes,
			"ms", time.Since(began).Milliseconds(), "request_id", v.id,
		}, v.attrs...)...)
	}
}

// isRequestID reports whether an id from outside may stand in logs and headers: Heroku's
// are such (UUIDs, or up to 200 characters of their clients' choice).
func isRequestID(id string) bool {
	return len(id) >= 1 && len(id) <= 200 && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != '='
	})
}

// A recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap lets http.ResponseController through.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}
