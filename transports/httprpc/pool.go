package httprpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/internal/stale"
	"github.com/journeyman-go/journeyman/transports"
)

// mostIdle bounds the connections kept to one address without use. More callers at
// once than that open and close some each time.
const mostIdle = 512

// A pool holds the connections of a process: the idle ones to take, all to close.
type pool struct {
	after time.Duration // how long a connection may be idle

	mu     sync.Mutex
	closed bool
	all    map[*conn]struct{}
	idle   map[endpoint][]*conn // the most recently used last
	sweep  *time.Timer          // set while there are idle ones
}

// An endpoint is what connections to several services may have in common.
type endpoint struct {
	secure bool
	dial   string
}

func (a *address) endpoint() endpoint { return endpoint{a.secure, a.dial} }

func (p *pool) open(after time.Duration) {
	p.after = after
	p.all, p.idle = map[*conn]struct{}{}, map[endpoint][]*conn{}
}

// take returns the idle connection that was used last, so that those not needed grow
// old. It returns nil if there is none.
func (p *pool) take(e endpoint) *conn {
	for {
		p.mu.Lock()
		idle := p.idle[e]
		if len(idle) == 0 {
			p.mu.Unlock()
			return nil
		}
		c := idle[len(idle)-1]
		idle[len(idle)-1] = nil
		p.idle[e] = idle[:len(idle)-1]
		p.mu.Unlock()
		if time.Since(c.since) < p.after && !stale.Conn(c.tcp) {
			return c
		}
		p.discard(c)
	}
}

// put keeps a connection for the next exchange.
func (p *pool) put(c *conn) {
	c.since = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[c.endpoint]) >= mostIdle {
		delete(p.all, c)
		c.kill()
		return
	}
	p.idle[c.endpoint] = append(p.idle[c.endpoint], c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.after, p.tidy)
	}
}

// tidy closes what has been idle for too long, and comes again while any is idle.
func (p *pool) tidy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	before, left := time.Now().Add(-p.after), 0
	for e, idle := range p.idle {
		n := 0
		for n < len(idle) && idle[n].since.Before(before) {
			delete(p.all, idle[n])
			idle[n].kill()
			n++
		}
		if n == len(idle) {
			delete(p.idle, e)
			continue
		}
		p.idle[e] = append([]*conn(nil), idle[n:]...)
		left += len(idle) - n
	}
	p.sweep = nil
	if left > 0 {
		p.sweep = time.AfterFunc(p.after, p.tidy)
	}
}

// add returns false, and closes the connection, where the pool is closed already.
func (p *pool) add(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.kill()
		return false
	}
	p.all[c] = struct{}{}
	return true
}

func (p *pool) discard(c *conn) {
	c.kill()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, c)
}

// close ends every exchange.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.all {
		c.kill()
	}
	clear(p.all)
	clear(p.idle)
	if p.sweep != nil {
		p.sweep.Stop()
	}
}

// connect opens a connection. Whatever goes wrong here, nothing was handed over.
func (t *Transport) connect(ctx context.Context, a *address) (*conn, error) {
	dialing, cancel := context.WithTimeout(ctx, t.inner.connect)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	tcp, err := t.inner.dial(dialing, "tcp", a.dial)
	if err != nil {
		return nil, t.unreachable(ctx, a, err)
	}
	c := newConn(a, tcp, t.options.MaxMessage)
	if a.secure {
		secured := tls.Client(tcp, &tls.Config{
			ServerName: a.name, RootCAs: t.inner.roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
		if err := secured.HandshakeContext(dialing); err != nil {
			c.kill()
			return nil, t.unreachable(ctx, a, explainTLS(err))
		}
		c.secured = secured
		c.use(secured)
	}
	if !t.pool.add(c) {
		return nil, transports.ErrClosed
	}
	return c, nil
}

// unreachable says why there is no connection, and whose doing that is.
func (t *Transport) unreachable(ctx context.Context, a *address, err error) error {
	_, refused := errors.AsType[*transports.RefusedError](err)
	switch {
	case t.life.Err() != nil:
		return transports.ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("connect to %s: %w", a.url(""), ctx.Err())
	case refused:
		return fmt.Errorf("connect to %s: %w", a.url(""), err)
	case errors.Is(err, context.DeadlineExceeded):
		// Not the caller's deadline, and so not to be taken for it.
		return fmt.Errorf("connect to %s: %w: no answer within %v", a.url(""), transports.ErrUnavailable, t.inner.connect)
	}
	return fmt.Errorf("connect to %s: %w: %w", a.url(""), transports.ErrUnavailable, err)
}

func explainTLS(err error) error {
	if invalid, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &transports.RefusedError{Err: fmt.Errorf("TLS: the certificate is not trusted: %w", invalid.Err)}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &transports.RefusedError{Err: errors.New("TLS: what listens there speaks none; should the address begin with http://?")}
	}
	return fmt.Errorf("TLS handshake: %w", err)
}
