package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// A natsCaller is request-reply of NATS core: at most once, and nothing is kept.
type natsCaller struct {
	conn   *nats.Conn
	letter letter
	ids    *ids
}

func openNATS(t target) (caller, error) {
	conn, err := nats.Connect(t.URLs[0])
	if err != nil {
		return nil, err
	}
	return &natsCaller{conn, t.Work.letter(), newIDs()}, nil
}

func (n *natsCaller) Close() error {
	n.conn.Close()
	return nil
}

func (n *natsCaller) call(ctx context.Context, _ int) error {
	id := n.ids.next()
	body, err := n.letter.request(id)
	if err != nil {
		return err
	}
	reply, err := n.conn.RequestWithContext(ctx, queue, body)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	return n.letter.check(id, reply.Data)
}

// workNATS answers in the goroutine that the library has for a subscription, which is
// its fastest way.
func workNATS(t target, ready func()) error {
	ended := make(chan error, 1)
	conn, err := nats.Connect(t.URLs[0], nats.ClosedHandler(func(c *nats.Conn) { ended <- c.LastError() }))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.QueueSubscribe(queue, "workers", func(m *nats.Msg) {
		_, reply := answer(m.Data)
		_ = m.Respond(reply) // the caller finds out
	})
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		return err
	}
	ready()
	return <-ended
}
