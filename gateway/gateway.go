// Package gateway is the way in over HTTP. It passes JSON-RPC bodies, and what browsers
// ask of web apps, to any service through a transports.Caller, and knows none of them:
//
//	POST /rpc/SERVICE          a call, a notification or a batch, as application/json
//	GET  /tickets/TICKET       the reply to a call that nobody waited for
//	ANY  /apps/NAME/…          a page of a web app
//	GET  /openrpc/SERVICE.json what a service offers to callers outside
//	GET  /metrics              how services are doing, for Prometheus
//	GET  /scaling.json         the same for autoscalers, such as KEDA
//	GET  /hirefire             for HireFire, which shows its token in a header, or as
//	                           /hirefire/TOKEN/info
//	GET  /livez                200 while the process serves
//	GET  /readyz               200 while calls can be passed on, 503 otherwise
//
// # Status codes
//
// What a service answers to POST /rpc comes back with 200, errors of the service included,
// and a body of notifications alone with 204 once the broker has it. Every other status
// but 202, of a call that has a ticket, means that the service did not answer. The body is a
// JSON-RPC error even then, with the ids of the calls that were read. docs/wire-http.md
// lists the statuses, and what each is good for.
//
// Of the reserved methods rpc.ping and rpc.discover pass, so that clients can find out
// what a service offers; the others are for the inside, and so is the method of web apps.
package gateway

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/internal/contextlog"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/internal/requestid"
	"github.com/journeyman-go/journeyman/transports"
)

const (
	defaultMaxBody = 1 << 20

	// One request may not stand for more calls than this: it would get past
	// whatever counts requests (geth and others learned it so).
	defaultMaxBatch = 50

	// Heroku's router answers 503 (H12) when nothing has come after 30 s.
	defaultTimeout = 25 * time.Second

	readyTimeout = 2 * time.Second
)

// Options say whom to pass calls to and what to refuse.
type Options struct {
	Caller transports.Caller           // required
	Ready  func(context.Context) error // why calls cannot be passed on now; nil: they always can

	Auth   Authenticator // who may call, by "Authorization: Bearer …"; nil: whoever can reach it
	Refuse string        // if set, whatever Auth is asked for is refused (403) with this sentence

	// Secrets of at least 32 bytes with which the principal is signed that travels with a
	// call; the first one signs. Without any, services are not told who calls.
	PrincipalKeys []string

	// Calls each second from one principal, in this process; what has been saved up may
	// come at once, of which MaxBatch is the least. 0 means any number.
	Rate float64

	// Hosts lists the names by which the gateway may be called, without ports,
	// against DNS rebinding: a page whose name was made to lead to this machine
	// could call it otherwise. "*" allows any. Without a list, connections to a
	// loopback address may name localhost or a loopback address, others any host.
	Hosts []string

	// Origins lists the sites whose pages may call, as https://app.example.com: without
	// one a page can do so from the gateway's own origin alone, as those of its apps.
	Origins []string

	// Allowed lists the methods of services whose workers do not know which are public,
	// since they speak the article's wire; "*" is all of them. What it does not list
	// cannot be called. Services that it does not name look after themselves.
	Allowed map[string][]string

	MaxBody  int64         // bytes; 0 means 1 MiB
	MaxBatch int           // members of a batch; 0 means 50
	Timeout  time.Duration // for a call; 0 means 25 s. A Journeyman-Timeout header (milliseconds) lowers it

	Services []string // names that the app has: they are reported on even while nobody has announced them
	Version  string   // of the app, for metrics

	HireFireToken string // if set, HireFire is answered, which shows it
	HireFireSize  bool   // HireFire is told how many messages wait, rather than for how long

	PublicApps []string // names of web apps that everybody may open, see runner.HTTP; the others ask for what calls ask for
	Routed     bool     // a platform's router stands in front, and what it says last in X-Forwarded-For and -Proto is true

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

// New returns the handler of a gateway. It panics without a Caller, and on an origin that is none.
func New(o Options) http.Handler {
	if o.Caller == nil {
		panic("gateway: Options.Caller is nil")
	}
	if o.MaxBody == 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = defaultMaxBatch
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
	o.Log = slog.New(contextlog.New(o.Log.Handler(), requestid.LogAttrs))
	g := &gateway{Options: o, origins: http.NewCrossOriginProtection()}
	for _, origin := range o.Origins {
		if err := g.origins.AddTrustedOrigin(origin); err != nil {
			panic("gateway: Options.Origins: " + err.Error())
		}
	}
	g.handler = g.shared(g.visited(g.route))
	g.lookout, g.meter = newLookout(o.Caller, o.Services), newMeter(o.Version, o.Services)
	g.attempts, g.principals = newAttempts(), passport.NewKeys(o.PrincipalKeys...)
	if o.Rate > 0 {
		g.rates = newRates(o.Rate, max(o.MaxBatch, int(math.Ceil(o.Rate))))
	}
	return g
}

type gateway struct {
	Options

	handler http.Handler
	inHand  atomic.Int64 // bytes of bodies
	streams streams
	lookout *lookout
	meter   *meter

	origins    *http.CrossOriginProtection
	attempts   *attempts
	principals passport.Keys
	rates      *rates // nil: there is no limit
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.handler.ServeHTTP(w, r) }

// route finds what a request is for.
func (g *gateway) route(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")

	room, rest := roomOf(r.URL.Path)
	switch {
	case room == "rpc":
		g.rpc(w, r, rest)
	case room == "apps":
		g.apps(w, r)
	case room == "tickets" && rest != "":
		g.ticket(w, r, rest)
	case room == "livez" && rest == "":
		g.probe(w, r, nil)
	case room == "readyz" && rest == "":
		g.probe(w, r, g.Ready)
	case room == "metrics" && rest == "":
		g.metrics(w, r)
	case room == "scaling.json" && rest == "":
		g.scaling(w, r)
	case room == "openrpc" && strings.HasSuffix(rest, ".json"):
		g.openRPC(w, r, strings.TrimSuffix(rest, ".json"))
	case room == "hirefire" && g.forHireFire(r, rest):
		g.hireFire(w, r)
	default:
		refuse(w, http.StatusNotFound, CodeRefused, "nothing is here; calls go to POST /rpc/SERVICE, pages of web apps are at /apps/NAME/, and what can be called stands in /openrpc/SERVICE.json")
	}
}

// roomOf returns the first part of a path, and what is behind it.
func roomOf(path string) (room, rest string) {
	room, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return room, rest
}

// probe answers a health check. Anybody may ask, so nobody is told more than yes
// or no; the log has the reason.
func (g *gateway) probe(w http.ResponseWriter, r *http.Request, check func(context.Context) error) {
	if !allows(w, r, http.MethodGet, http.MethodHead) {
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
