package httprpc

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// Transport carries messages in HTTP requests. Make one with Open.
type Transport struct {
	options Options
	inner   internals
	log     *slog.Logger
	stats   counters
	names   string        // what ids of this process begin with
	named   atomic.Uint64 // how many were given
	keys    [][32]byte    // hashes of Options.Keys
	pool    pool
	buffers sync.Pool // of *[]byte, for requests on their way out

	life context.Context // ends with Close
	end  context.CancelFunc

	mu        sync.Mutex // guards what follows
	closed    bool
	addresses map[string]*address
	door      *door              // nil while nothing is served
	errands   map[*errand]string // accepted messages nobody waits for, not done yet; by service
}

// internals are what tests have otherwise.
type internals struct {
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	listen  func(network, address string) (net.Listener, error)
	roots   *x509.CertPool // nil: those of this machine
	connect time.Duration  // to a service, with the TLS handshake
	idle    time.Duration  // how long a caller keeps a connection without use
	linger  time.Duration  // how long a door stays open when nothing is served any more, at most
}

func realInternals() internals {
	return internals{
		dial:    (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext,
		listen:  net.Listen,
		connect: 5 * time.Second,
		// Shorter than servers and routers keep theirs, so that it is hardly ever they
		// who close a connection into which a request is just being written.
		idle:   50 * time.Second,
		linger: 500 * time.Millisecond,
	}
}

var (
	_ transports.Transport = (*Transport)(nil)
	_ transports.Pinger    = (*Transport)(nil)
	_ transports.Inspector = (*Transport)(nil)
	_ transports.Examiner  = (*Transport)(nil)
)

// Open checks the options and returns a transport that connects when it is used. It
// fails for options that can never work; services that are down are not such a reason.
func Open(o Options) (*Transport, error) { return open(o, realInternals()) }

func open(o Options, inner internals) (*Transport, error) {
	o.defaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	t := &Transport{
		options: o, inner: inner, log: o.Log, names: rand.Text()[:20] + "-", keys: hashes(o.Keys),
		addresses: map[string]*address{}, errands: map[*errand]string{},
	}
	t.life, t.end = context.WithCancel(context.Background())
	t.pool.open(inner.idle)
	return t, nil
}

// Close implements transports.Transport. It waits for no handler. Messages that were
// accepted, and that nobody waits for, end with it if they are not done: the log names each.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	t.end()
	door := t.door
	for e, service := range t.errands {
		t.lost(service, e.message, "this process was stopped before it was done", context.Cause(t.life))
	}
	clear(t.errands)
	t.mu.Unlock()
	t.pool.close()
	if door != nil {
		door.slam()
	}
	return nil
}

// mostRemembered bounds the addresses kept: with Options.Base whoever calls through
// a gateway makes up names.
const mostRemembered = 256

// address returns where a service is called, or why it is not.
func (t *Transport) address(service string) (*address, error) {
	if err := transports.CheckName(service); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, transports.ErrClosed
	}
	if a := t.addresses[service]; a != nil {
		return a, nil
	}
	a, err := t.options.addressOf(service)
	if err != nil {
		return nil, err
	}
	if len(t.addresses) < mostRemembered {
		t.addresses[service] = a
	}
	return a, nil
}

// configured returns the services that have an address, sorted.
func (t *Transport) configured() []string {
	names := map[string]bool{}
	for name := range t.options.Services {
		names[name] = true
	}
	if t.options.Base != "" {
		for _, name := range t.options.Catalogue {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// newID returns an id that no other message has.
func (t *Transport) newID() string {
	return t.names + strconv.FormatUint(t.named.Add(1), 36)
}

// Services implements transports.Inspector: it tells the names that have an address. How
// many processes are behind one, and what they do, an address does not say.
func (t *Transport) Services(ctx context.Context) ([]transports.ServiceStatus, error) {
	if t.life.Err() != nil {
		return nil, fmt.Errorf("list services: %w", transports.ErrClosed)
	}
	var all []transports.ServiceStatus
	for _, name := range t.configured() {
		all = append(all, transports.ServiceStatus{Name: name})
	}
	return all, ctx.Err()
}

// Counts are events that nobody is told of otherwise.
type Counts struct {
	Expired     int64 // requests not executed, since their deadline had passed
	LateReplies int64 // replies for nobody: the deadline had passed, or the caller had gone
	Busy        int64 // requests refused, since too many waited
	Lost        int64 // messages that a broker would have kept; the log names each
	Reused      int64 // exchanges on a connection that was open already
	Again       int64 // requests sent a second time, since the first had surely not been begun
}

type counters struct {
	expired, lateReplies, busy, lost, reused, again atomic.Int64
}

// Counts returns what has been counted since Open.
func (t *Transport) Counts() Counts {
	c := &t.stats
	return Counts{
		Expired: c.expired.Load(), LateReplies: c.lateReplies.Load(), Busy: c.busy.Load(), Lost: c.lost.Load(),
		Reused: c.reused.Load(), Again: c.again.Load(),
	}
}

// lost says what became of a message for which HTTP has no place to wait in.
func (t *Transport) lost(service string, m transports.Message, why string, err error) {
	t.stats.lost.Add(1)
	attrs := []any{"service", service, "method", m.Method, "id", m.ID, "why", why}
	if m.Key != "" && m.Key != m.ID {
		attrs = append(attrs, "key", m.Key)
	}
	if err != nil {
		attrs = append(attrs, "err", err)
	}
	t.log.Error("message lost: over HTTP there is no queue that would keep it", attrs...)
}
