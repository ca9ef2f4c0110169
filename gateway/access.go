package gateway

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/journeyman-go/journeyman/internal/requestid"
)

// A visit is one request, and what the log is to say of it.
type visit struct {
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
		id := r.Header.Get("X-Request-ID")
		if !requestid.Valid(id) {
			id = rand.Text()
		}
		w.Header().Set("X-Request-ID", id)
		seen, v := &recorder{ResponseWriter: w}, new(visit)
		r = r.WithContext(requestid.With(context.WithValue(r.Context(), visitKey{}, v), id))
		next(seen, r)
		g.inHand.Add(-v.held)
		level := slog.LevelInfo
		if room, _ := roomOf(r.URL.Path); slices.Contains([]string{"livez", "readyz", "metrics", "scaling.json", "hirefire"}, room) {
			level = slog.LevelDebug // several times a minute, for ever
		}
		g.Log.Log(r.Context(), level, "request", append([]any{
			"method", r.Method, "path", brief(shownPath(r.URL.EscapedPath())), "status", seen.status, "bytes", seen.bytes,
			"ms", time.Since(began).Milliseconds(),
		}, v.attrs...)...)
	}
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
