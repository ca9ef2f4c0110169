package httprpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A door is the address that all services of a process share, while any is served.
type door struct {
	listener net.Listener
	server   *http.Server
	shut     chan struct{}    // closed when nothing comes in any more
	failed   error            // why, if nobody shut it; set before shut is closed
	tenants  int              // calls of Serve; guarded by Transport.mu, as is desks
	desks    map[string]*desk // by service: every one that was served since the door opened
	open     atomic.Int64     // connections
	slamming sync.Once
}

// Limits of a server. Without them slow or huge requests hold connections for ever.
const (
	readHeader  = 5 * time.Second
	readRequest = 30 * time.Second // with its body
	writeReply  = 15 * time.Second
	// Longer than callers and routers keep theirs: whoever closes first must not be the
	// server, or a request that is just being written is lost.
	idleServer = 75 * time.Second
	headerMost = 32 << 10
)

// openDoor listens. Called with t.mu held.
func (t *Transport) openDoor() (*door, error) {
	if t.options.Listen == "" {
		return nil, &transports.RefusedError{Err: errors.New("there is no address to listen on; set PORT")}
	}
	listener, err := t.inner.listen("tcp", t.options.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &transports.RefusedError{Err: fmt.Errorf("listen on %s: another process has that port; set PORT to a free one", t.options.Listen)}
	}
	if err != nil {
		return nil, &transports.RefusedError{Err: fmt.Errorf("listen on %s: %w", t.options.Listen, err)}
	}
	d := &door{listener: listener, shut: make(chan struct{}), desks: map[string]*desk{}}
	d.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.serveHTTP(d, w, r) }),
		ReadHeaderTimeout: readHeader,
		ReadTimeout:       readRequest,
		IdleTimeout:       idleServer,
		MaxHeaderBytes:    headerMost,
		ErrorLog:          slog.NewLogLogger(t.log.Handler(), slog.LevelWarn),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				d.open.Add(1)
			case http.StateClosed, http.StateHijacked:
				d.open.Add(-1)
			case http.StateActive, http.StateIdle:
			}
		},
	}
	go func() {
		defer close(d.shut)
		if err := d.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			d.failed = err
		}
	}()
	if len(t.keys) == 0 && !isLoopback(listener.Addr()) {
		t.log.Warn("whoever reaches this address may call; set keys unless the network keeps others out", "address", listener.Addr().String())
	}
	return d, nil
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// enter makes a service known at the door, which is opened by the first.
func (t *Transport) enter(ctx context.Context, s transports.Service) (*door, *desk, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, nil, transports.ErrClosed
	}
	if t.door == nil {
		d, err := t.openDoor()
		if err != nil {
			return nil, nil, err
		}
		t.door = d
	}
	if d := t.door.desks[s.Name]; d != nil && !d.isStopping() {
		return nil, nil, errors.New("it is served by this process already")
	}
	t.door.tenants++
	desk := newDesk(context.WithoutCancel(ctx), s, t.options)
	t.door.desks[s.Name] = desk
	return t.door, desk, nil
}

// leave shuts the door behind the last service. It stays open for a moment before, so
// that callers which have connections are told to go elsewhere.
func (t *Transport) leave(d *door) {
	t.mu.Lock()
	last := d.tenants == 1
	t.mu.Unlock()
	if last {
		d.await(t.inner.linger)
	}
	t.mu.Lock()
	d.tenants--
	if d.tenants > 0 {
		t.mu.Unlock()
		return
	}
	_ = d.listener.Close() // under the lock: who serves next finds the port free
	t.door = nil
	t.mu.Unlock()
	// What still answers 503 may finish; a connection on which nothing was ever asked
	// would hold Shutdown up for seconds.
	ctx, cancel := context.WithTimeout(t.life, 250*time.Millisecond)
	defer cancel()
	_ = d.server.Shutdown(ctx)
	d.slam()
}

// await returns when no connection is open any more, at the latest after most.
func (d *door) await(most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for d.open.Load() > 0 {
		select {
		case <-look.C:
		case <-timer.C:
			return
		case <-d.shut:
			return
		}
	}
}

// slam closes the door and everything that came in by it.
func (d *door) slam() {
	d.slamming.Do(func() { _ = d.server.Close() })
	<-d.shut
}
