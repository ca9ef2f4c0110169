package jsonrpc

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Handler runs one method. params is the request's own JSON, an array or an
// object, nil where it was absent, and must not be modified. What becomes of the
// error is described at [Error]; a nil result is answered as null.
type Handler func(ctx context.Context, params json.RawMessage) (result any, err error)

// A Middleware wraps a Handler with something that every method needs.
type Middleware func(Handler) Handler

// A Mux is the set of methods that one service offers. The zero value is ready.
// Set it up first, then use it: Handle, Use and the fields must not change once
// Answer may run; everything else may be called from any number of goroutines.
//
// Three methods are there without being registered: rpc.discover returns an
// OpenRPC document, rpc.ping returns "pong", rpc.stats returns [Stats].
// Middleware does not see them.
type Mux struct {
	Title   string       // for rpc.discover; by custom the name of the service
	Version string       // for rpc.discover
	Logger  *slog.Logger // for panics, for errors that callers may not read, and for stuck handlers; nil: slog.Default()

	// OnError, if it is set, is told what Logger is told, for a
	// service that collects errors: panics, errors that callers may not read, failed
	// notifications, each time that they fail, and handlers that are found to be stuck.
	// ctx is the handler's, with its values, and may have ended. The caller waits while
	// OnError runs, so it should hand the failure over and return. One that panics is
	// logged, and does no other harm.
	OnError func(ctx context.Context, f Failure)

	// Timeout is the deadline of methods that have none of their own, where ctx has
	// none either; without it (0 or less) they have none. Package runner takes
	// JOURNEYMAN_TIMEOUT then.
	Timeout time.Duration
	// Grace is how long after its deadline, if it has one, a handler counts as stuck;
	// see Stuck. Without it (0 or less) none ever does. Package runner takes 2 seconds
	// then.
	Grace time.Duration

	// MaxReply is the longest reply in bytes, that to a batch as a whole; without it (0 or
	// less) there is no limit. Results beyond it are answered with CodeTooLarge in their
	// place. Package runner takes JOURNEYMAN_MAX_MESSAGE then.
	MaxReply int

	entries    map[string]*entry
	middleware []Middleware
	since      time.Time
	dedupes    bool // some method does
	watch      watch
	stuck      stuckRuns
	waiters    sync.Pool
}

// An entry is a method that was registered.
type entry struct {
	name    string
	method  Method
	timeout time.Duration // 0: none
	dedupe  time.Duration // 0: not at all
	summary string
	public  bool     // reachable from outside
	scopes  []string // what those from outside need
	throws  []Error
	run     Handler // method.handler inside all middleware

	hidden atomic.Bool // somebody outside asked for it in vain, and the log says so

	attempts    int // 0: Retry was not said
	first, most time.Duration

	counts counts
}

// Handle registers a method. It panics if name is empty, taken or begins with
// "rpc.", which the specification reserves, since a program that does this has
// never worked.
func (m *Mux) Handle(name string, method Method, opts ...Option) {
	switch {
	case name == "":
		panic("jsonrpc: a method needs a name")
	case strings.HasPrefix(name, "rpc."):
		panic(fmt.Sprintf("jsonrpc: method %q: names that begin with rpc. are reserved", name))
	case m.entries[name] != nil:
		panic(fmt.Sprintf("jsonrpc: method %q is registered twice", name))
	case method.handler == nil:
		panic(fmt.Sprintf("jsonrpc: method %q has no handler", name))
	}
	e := &entry{name: name, method: method}
	for _, opt := range opts {
		opt(e)
	}
	e.run = m.wrap(method.handler)
	if m.entries == nil {
		m.entries = make(map[string]*entry)
		m.since = time.Now()
	}
	m.entries[name] = e
	m.dedupes = m.dedupes || e.dedupe > 0
}

// Use adds middleware around every method, registered already or later. The
// first is the outermost.
func (m *Mux) Use(mw ...Middleware) {
	m.middleware = append(m.middleware, mw...)
	for _, e := range m.entries {
		e.run = m.wrap(e.method.handler)
	}
}

func (m *Mux) wrap(h Handler) Handler {
	for _, mw := range slices.Backward(m.middleware) {
		h = mw(h)
	}
	return h
}

// Methods returns the names of the registered methods, sorted; those that every
// Mux has are not among them.
func (m *Mux) Methods() []string {
	return slices.Sorted(maps.Keys(m.entries))
}

// lookup returns nil for a method that does not exist.
func (m *Mux) lookup(name string) *entry {
	if e := m.entries[name]; e != nil {
		return e
	}
	if h := m.builtin(name); h != nil {
		return &entry{name: name, run: h, public: name == "rpc.ping" || name == "rpc.discover"}
	}
	return nil
}

// Unknown reports whether body is one request, not a batch, for a method that is
// not registered, and names it. Names that begin with rpc. are the same in every
// service, so none of them is unknown in one.
func (m *Mux) Unknown(body []byte) (method string, unknown bool) {
	members, batch, _, err := parse(nil, body)
	if err != nil || batch || members[0].fault != "" {
		return "", false
	}
	method = members[0].method
	if m.entries[method] != nil || strings.HasPrefix(method, "rpc.") {
		return "", false
	}
	return method, true
}
