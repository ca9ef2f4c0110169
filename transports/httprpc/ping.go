package httprpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/journeyman-go/journeyman/transports"
)

// Ping implements transports.Pinger. There is no broker that could be up or down for
// all, so nil means that something answers at one of the addresses at least: a service
// that is down makes neither a gateway nor another service unfit for work. Where no
// address is set there is nothing that could not be reached. Examine looks at each.
func (t *Transport) Ping(ctx context.Context) error {
	if t.life.Err() != nil {
		return fmt.Errorf("ping: %w", transports.ErrClosed)
	}
	names := t.configured()
	if len(names) == 0 {
		return ctx.Err()
	}
	trying, enough := context.WithCancel(ctx)
	defer enough()
	var wg sync.WaitGroup
	errs := make([]error, len(names))
	for i, name := range names {
		wg.Go(func() {
			if errs[i] = t.ping(trying, name); errs[i] == nil {
				enough()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	switch {
	case t.life.Err() != nil:
		return fmt.Errorf("ping: %w", transports.ErrClosed)
	case ctx.Err() != nil:
		return fmt.Errorf("ping: %w", ctx.Err())
	}
	return fmt.Errorf("ping: %w: none of %d services answers: %w", transports.ErrUnavailable, len(names), errors.Join(errs...))
}

func (t *Transport) ping(ctx context.Context, service string) error {
	a, err := t.address(service)
	if err != nil {
		return err
	}
	r, _, err := t.get(ctx, a, a.prefix+"/livez")
	if err != nil {
		return err
	}
	if r.status >= http.StatusInternalServerError {
		return fmt.Errorf("%s: %s", a.url("/livez"), r.said())
	}
	return nil
}

// get asks for a path on a connection of its own, which it returns closed.
func (t *Transport) get(ctx context.Context, a *address, path string) (*response, *conn, error) {
	c, err := t.connect(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	defer t.pool.discard(c)
	defer context.AfterFunc(ctx, c.kill)()
	head := []byte("GET " + path + " HTTP/1.1\r\nHost: " + a.host + "\r\nUser-Agent: journeyman\r\nConnection: close\r\n")
	if len(t.options.Keys) > 0 {
		head = appendLine(head, "Authorization", "Bearer "+t.options.Keys[0])
	}
	r, err := c.exchange(append(head, '\r', '\n'), nil)
	switch {
	case err == nil:
		return r, c, nil
	case t.life.Err() != nil:
		return nil, nil, transports.ErrClosed
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	}
	return nil, nil, fmt.Errorf("%s: %w: %w", a.url(""), transports.ErrUnavailable, err)
}
