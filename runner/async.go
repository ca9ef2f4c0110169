package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/internal/ticket"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// lookEvery is how long one look into a box waits. It bounds nothing, as another follows.
const lookEvery = 20 * time.Second

// A patron makes one call for which it has a ticket: whoever has that can fetch the
// result, also when the patron has gone.
type patron struct {
	transports.Caller
	mailbox transports.Mailbox
	keep    time.Duration
	ticket  string
	taken   func() // told when the broker has the call
	isTaken bool
}

// mailbox returns the session's, which not every transport is.
func (s *session) mailbox() (transports.Mailbox, error) {
	if m, ok := s.transport.(transports.Mailbox); ok {
		return m, nil
	}
	return nil, fmt.Errorf("nothing keeps a reply for later: %w; Redis and RabbitMQ can do it, and so can a gateway in front of them (Prefer: respond-async)", transports.ErrUnsupported)
}

// Call implements transports.Caller. It waits for as long as ctx, and so the call, may last.
func (p *patron) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	m.Expires, _ = ctx.Deadline() // a client's has one
	box := ticket.Box(p.ticket, "")
	if err := p.mailbox.Submit(ctx, service, box, m, p.keep); err != nil {
		return nil, err
	}
	p.isTaken = true
	p.taken()
	return collect(ctx, p.mailbox, service, box)
}

// collect waits for a reply as long as there is one to wait for, or until ctx ends.
func collect(ctx context.Context, from transports.Mailbox, service, box string) ([]byte, error) {
	for {
		reply, err := from.Collect(ctx, service, box, lookEvery)
		if !errors.Is(err, transports.ErrPending) {
			return reply, err
		}
	}
}

// withTicket returns a caller for one call, and says on stderr how to fetch the result
// as soon as the broker has the call.
func (a *app) withTicket(s *session, service string) (p *patron, err error) {
	mailbox, err := s.mailbox()
	if err != nil {
		return nil, err
	}
	p = &patron{Caller: s.transport, mailbox: mailbox, keep: s.env.config.AsyncKeep, ticket: ticket.New(service)}
	p.taken = func() { a.complain("taken; fetch the result here or with: " + a.fetching(p.ticket)) }
	return p, nil
}

func (a *app) fetching(ticket string) string { return a.name + " collect " + ticket }

// collect prints the result of a call that was made before, by whomever.
func (a *app) collect(c *cli.Context, args []string) error {
	if len(args) != 1 {
		return usagef("collect wants one ticket: %s collect TICKET", a.name)
	}
	service, err := ticket.Service(args[0])
	if err != nil {
		return usagef("%q is %v", args[0], err)
	}
	timeout := c.Duration("timeout")
	if c.IsSet("timeout") && timeout <= 0 {
		return usagef("--timeout is %s, want more than 0", timeout)
	}
	s, err := a.session(a.name, false)
	if err != nil {
		return err
	}
	defer s.transport.Close()
	mailbox, err := s.mailbox()
	if err != nil {
		return err
	}
	ctx, release := a.interruptible(c.Context)
	defer release()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	reply, err := collect(ctx, mailbox, service, ticket.Box(args[0], ""))
	switch {
	case err == nil:
		return a.printReply(reply)
	case errors.Is(err, transports.ErrNoBox):
		return errors.New("there is no such ticket on this broker, or its result is kept no longer; tickets that the gateway gave to who has a key are good there alone")
	case errors.Is(err, transports.ErrExpired):
		return fmt.Errorf("%s did not answer within the time that the call was given", service)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted before %s answered; %s", service, a.goesOn(args[0]))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s has not answered within %s; %s", service, timeout, a.goesOn(args[0]))
	}
	return a.explain(ctx, err, s, service, timeout)
}

func (a *app) goesOn(ticket string) string {
	return "it goes on, and the result can be fetched with: " + a.fetching(ticket)
}

// printReply prints the result in a reply, or returns the error that the service answered
// with. Of a batch, which commands cannot make, it prints the replies.
func (a *app) printReply(reply []byte) error {
	replies, batch, err := jsonrpc.DecodeReplies(reply)
	switch {
	case err != nil:
		return fmt.Errorf("read the reply: %w", err)
	case !batch && replies[0].Error != nil:
		return replies[0].Error
	case !batch:
		reply = replies[0].Result
	}
	_, err = fmt.Fprintf(a.sys.Stdout, "%s\n", reply)
	return err
}
