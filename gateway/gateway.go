// Package gateway is the way in over HTTP. It passes JSON-RPC bodies to any
// service through a transports.Caller, and knows none of them:
//
//	POST /rpc/SERVICE   a call, a notification or a batch, as application/json
//	GET  /tickets/TICKET the reply to a call that nobody waited for
//	GET  /livez         200 while the process serves
//	GET  /readyz        200 while calls can be passed on, 503 otherwise
//
// # Status codes
//
// What the service answers comes back with 200, errors of the service included,
// and a body of notifications alone with 204 once the broker has it. Every other
// status means that the service did not answer, and why: 400 no JSON-RPC, 401 no
// key, 403 refused, 404 no such service, 413 too large, 502 given up or lost on the
// way, 503 no broker or a full queue, 504 no reply in time. The body is a JSON-RPC
// error even then, with the ids of the calls that were read; for a batch, one error
// for each.
//
// Of the reserved methods rpc.ping and rpc.discover pass, so that clients can
// find out what a service offers; the others are for the inside.
package gateway

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

const (
	defaultMaxBody = 1 << 20

	// Heroku's router answers 503 (H12) when nothing has come after 30 s.
	defaultTimeout = 25 * time.Second

	readyTimeout = 2 * time.Second
)

// Options say whom to pass calls to and what to refuse.
type Options struct {
	Caller transports.Caller           // required
	Ready  func(context.Context) error // why calls cannot be passed on now; nil: they always can

	Keys   []string // API keys; if there is any, calls need one as "Authorization: Bearer KEY"
	Refuse string   // if set, every call is refused (403) with this sentence

	// Hosts lists the names by which the gateway may be called, without ports,
	// against DNS rebinding: a page whose name was made to lead to this machine
	// could call it otherwise. "*" allows any. Without a list, connections to a
	// loopback address may name localhost or a loopback address, others any host.
	Hosts []string

	MaxBody int64         // bytes; 0 means 1 MiB
	Timeout time.Duration // for a call; 0 means 25 s. A Journeyman-Timeout header (milliseconds) lowers it

	// A call whose client prefers a ticket (Prefer: respond-async) may take AsyncTimeout,
	// or less if Journeyman-Timeout says so, and its reply can be fetched for AsyncKeep
	// after it has come. 0 means an hour each. Needs a Caller that is a transports.Mailbox;
	// without, such clients wait like others.
	AsyncTimeout, AsyncKeep time.Duration

	// Draining is closed when the process is to stop: then nobody is kept waiting for what
	// another process can tell as well. Nil: that never happens.
	Draining <-chan struct{}

	Log *slog.Logger // never sees bodies; nil means slog.Default()
}

// New returns the handler of a gateway. It panics without a Caller.
func New(o Options) http.Handler {
	if o.Caller == nil {
		panic("gateway: Options.Caller is nil")
	}
	if o.MaxBody == 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.AsyncTimeout == 0 {
		o.AsyncTimeout = defaultAsyncTimeout
	}
	if o.AsyncKeep == 0 {
		o.AsyncKeep = defaultAsyncKeep
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	g := &gateway{Options: o, origins: http.NewCrossOriginProtection()}
	for _, key := range o.Keys {
		g.keys = append(g.keys, sha256.Sum256([]byte(key)))
	}
	return g
}

type gateway struct {
	Options

	keys    [][sha256.Size]byte
	origins *http.CrossOriginProtection
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")

	room, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case room == "rpc":
		g.rpc(w, r, rest)
	case room == "tickets" && rest != "":
		g.ticket(w, r, rest)
	case room == "livez" && rest == "":
		g.probe(w, r, nil)
	case room == "readyz" && rest == "":
		g.probe(w, r, g.Ready)
	default:
		refuse(w, http.StatusNotFound, CodeRefused, "nothing is here; calls go to POST /rpc/SERVICE")
	}
}

// probe answers a health check. Anybody may ask, so nobody is told more than yes
// or no; the log has the reason.
func (g *gateway) probe(w http.ResponseWriter, r *http.Request, check func(context.Context) error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, CodeRefused, "use GET")
		return
	}
	status, text := http.StatusOK, `{"status":"ok"}`
	if check != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := check(ctx); err != nil {
			g.Log.InfoContext(ctx, "not ready", "err", err)
			status, text = http.StatusServiceUnavailable, `{"status":"unavailable"}`
		}
	}
	send(w, status, []byte(text))
}
