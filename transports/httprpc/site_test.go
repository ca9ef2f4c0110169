package httprpc

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/journeyman-go/journeyman/transports"
)

// A site is where processes of one test find each other. It does what a platform's
// name service does: the host calculator.localhost is the process that serves
// calculator now, and refuses connections while there is none.
type site struct {
	mu      sync.Mutex
	serving map[string]*process // by service
	through *forwarder          // nil: directly
}

func newSite() *site { return &site{serving: map[string]*process{}} }

// A process is a transport at a site.
type process struct {
	*Transport
	site *site

	mu   sync.Mutex
	addr string // where it listens; "" before
}

// quick is the real thing with shorter waits.
func quick() internals {
	inner := realInternals()
	inner.linger = 20 * time.Millisecond
	return inner
}

// start opens a process whose callers know the services of its catalogue. change may
// be nil.
func (s *site) start(tb testing.TB, o Options, change func(*internals)) *process {
	tb.Helper()
	p := &process{site: s}
	if o.Services == nil {
		o.Services = map[string]string{}
		for _, name := range o.Catalogue {
			o.Services[name] = "http://" + name + ".localhost"
		}
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	inner := quick()
	inner.dial = s.dial
	inner.listen = p.listen
	if change != nil {
		change(&inner)
	}
	var err error
	if p.Transport, err = open(o, inner); err != nil {
		tb.Fatal(err)
	}
	return p
}

func (p *process) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.addr = l.Addr().String()
	}
	return l, err
}

// address returns where p listens, or "".
func (p *process) at() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

// Serve makes the process known at its site.
func (p *process) Serve(ctx context.Context, s transports.Service) error {
	p.site.mu.Lock()
	p.site.serving[s.Name] = p
	p.site.mu.Unlock()
	return p.Transport.Serve(ctx, s)
}

// find returns where the service of a host is served now.
func (s *site) find(host string) (string, error) {
	name, _, _ := strings.Cut(host, ".")
	s.mu.Lock()
	p := s.serving[name]
	s.mu.Unlock()
	if p == nil || p.at() == "" {
		return "", syscall.ECONNREFUSED
	}
	return p.at(), nil
}

func (s *site) dial(ctx context.Context, network, address string) (net.Conn, error) {
	target, err := s.find(address)
	if err != nil {
		return nil, err
	}
	if s.through != nil {
		if target, err = s.through.to(target); err != nil {
			return nil, err
		}
	}
	return realInternals().dial(ctx, network, target)
}

// A forwarder stands between callers and processes, and can stand still.
type forwarder struct {
	mu      sync.Mutex
	thawed  chan struct{}           // closed while things move
	entries map[string]net.Listener // by target
	conns   []net.Conn
	work    sync.WaitGroup
}

func newForwarder(tb testing.TB) *forwarder {
	f := &forwarder{thawed: make(chan struct{}), entries: map[string]net.Listener{}}
	close(f.thawed)
	tb.Cleanup(func() {
		f.mu.Lock()
		for _, l := range f.entries {
			l.Close()
		}
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.work.Wait()
	})
	return f
}

// to returns an address that leads to target.
func (f *forwarder) to(target string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.entries[target]; l != nil {
		return l.Addr().String(), nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	f.entries[target] = l
	f.work.Go(func() { f.accept(l, target) })
	return l.Addr().String(), nil
}

func (f *forwarder) accept(l net.Listener, target string) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", target)
		if err != nil {
			near.Close()
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, near, far)
		f.work.Go(func() { f.carry(near, far) })
		f.work.Go(func() { f.carry(far, near) })
		f.mu.Unlock()
	}
}

// carry copies until either side is closed, and stands still while frozen.
func (f *forwarder) carry(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		<-f.moving()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (f *forwarder) moving() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.thawed
}

func (f *forwarder) freeze() (resume func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	thawed := make(chan struct{})
	f.thawed = thawed
	return sync.OnceFunc(func() { close(thawed) })
}

// forwarding names what of a forwarder is no leak: it is the test's network.
func forwarding() []goleak.Option {
	const here = "github.com/journeyman-go/journeyman/transports/httprpc.(*forwarder)."
	return []goleak.Option{goleak.IgnoreAnyFunction(here + "accept"), goleak.IgnoreAnyFunction(here + "carry")}
}
