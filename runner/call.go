package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// call prints the result of one method.
func (a *app) call(c *cli.Context, args []string) error {
	var opts []client.CallOption
	if key, err := keyOf(c, "key"); err != nil {
		return err
	} else if key != "" {
		opts = append(opts, client.Key(key))
	}
	return a.ask(c, args, func(ctx context.Context, to *client.Client, method string, params json.RawMessage) error {
		result, err := to.CallRaw(ctx, method, params, opts...)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.sys.Stdout, "%s\n", result)
		return err
	})
}

// notify hands over a notification and prints nothing.
func (a *app) notify(c *cli.Context, args []string) error {
	opts, err := sendOptions(c)
	if err != nil {
		return err
	}
	return a.ask(c, args, func(ctx context.Context, to *client.Client, method string, params json.RawMessage) error {
		return to.Notify(ctx, method, params, opts...)
	})
}

// sendOptions reads the flags of "notify". What they say wrong is the user's, and
// found before anything is opened.
func sendOptions(c *cli.Context) (opts []client.SendOption, err error) {
	key, err := keyOf(c, "key")
	if err != nil {
		return nil, err
	}
	unique, err := keyOf(c, "unique")
	if err != nil {
		return nil, err
	}
	if key != "" {
		opts = append(opts, client.Key(key))
	}
	if unique != "" {
		opts = append(opts, client.Unique(unique))
	}
	switch {
	case c.IsSet("in") && c.IsSet("at"):
		return nil, usagef("--in and --at are both set, want one of them")
	case c.IsSet("in"):
		d := c.Duration("in")
		if d < 0 {
			return nil, usagef("--in is %s, want 0s or more", d)
		}
		opts = append(opts, client.In(d))
	case c.IsSet("at"):
		at, err := time.Parse(time.RFC3339, c.String("at"))
		if err != nil {
			return nil, usagef("--at is %q, want a time with its zone, such as 2030-12-31T09:00:00Z or 2030-12-31T10:00:00+01:00", c.String("at"))
		}
		opts = append(opts, client.At(at))
	}
	return opts, nil
}

// keyOf returns a flag that names a key, "" if it is not set. One that is set to
// nothing is most likely a variable of a script that was.
func keyOf(c *cli.Context, flag string) (string, error) {
	if key := c.String(flag); key != "" || !c.IsSet(flag) {
		return key, nil
	}
	return "", usagef("--%s is empty", flag)
}

func (a *app) ask(c *cli.Context, args []string, do func(context.Context, *client.Client, string, json.RawMessage) error) error {
	if len(args) < 2 {
		return usagef("%s wants a service and a method: %s %s SERVICE METHOD [ARG…]", c.Command.Name, a.name, c.Command.Name)
	}
	service, method := args[0], args[1]
	if err := transports.CheckName(service); err != nil {
		return usagef("%v", err)
	}
	params, err := parseParams(args[2:])
	if err != nil {
		return err
	}
	if c.IsSet("timeout") && c.Duration("timeout") <= 0 {
		return usagef("--timeout is %s, want more than 0", c.Duration("timeout"))
	}
	s, err := a.session(a.name, false)
	if err != nil {
		return err
	}
	defer s.transport.Close()

	timeout := s.env.config.Timeout
	if c.IsSet("timeout") {
		timeout = c.Duration("timeout")
	}
	ctx, release := a.interruptible(c.Context)
	defer release()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = do(ctx, client.New(s.transport, service, client.Timeout(timeout)), method, params)
	return a.explain(ctx, err, s, service, timeout)
}

// clockSkew is how much earlier than here a deadline may pass where a handler runs.
const clockSkew = 100 * time.Millisecond

// interruptible returns a context that ends with ctx and at the first signal.
func (a *app) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-a.sys.Signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// explain turns the failures of a journey into one sentence with a hint. What the
// service answered passes through, except that the deadline of ctx, the call's,
// has passed: the handler has the same one, and who notices first is chance.
func (a *app) explain(ctx context.Context, err error, s *session, service string, timeout time.Duration) error {
	answer, answered := errors.AsType[*jsonrpc.Error](err)
	deadline, _ := ctx.Deadline()
	late := errors.Is(err, context.DeadlineExceeded) && time.Until(deadline) < clockSkew
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inspectFor)
	defer cancel()
	_, refused := errors.AsType[*transports.RefusedError](err)
	switch {
	case err == nil:
		return nil
	case answered && !late:
		return answer
	case refused:
		return s.refused(err)
	case errors.Is(err, transports.ErrUnavailable):
		// The whole chain may hold a hint of the transport's own, as for a
		// certificate; of a plain refusal the last link says it all.
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		return fmt.Errorf("no broker answers at %s (from %s): %w; set JOURNEYMAN_URL, or start one with %q",
			redactURL(s.env.broker.url), s.env.broker.source, err, a.name+" start")
	case errors.Is(err, transports.ErrNoService):
		known := append(a.names(), seen(ctx, s)...)
		return fmt.Errorf("no service named %q was ever started on this broker%s", service, didYouMean(service, without(known, service)))
	case errors.Is(err, transports.ErrBuried):
		return fmt.Errorf("%w; see %q", err, a.name+" dead list "+service)
	case errors.Is(err, context.DeadlineExceeded):
		if s.reachable(ctx) != nil {
			return fmt.Errorf("the broker at %s (from %s) did not answer within %s", redactURL(s.env.broker.url), s.env.broker.source, timeout)
		}
		hint := ""
		switch status, ok := statusOf(ctx, s, service); {
		case ok && status.Paused:
			hint = fmt.Sprintf("; it is paused until %q", a.name+" resume "+service)
		case ok && isDown(status):
			hint = fmt.Sprintf("; no worker of it is up, so start one with %q", a.name+" serve "+service)
		}
		return fmt.Errorf("%s did not answer within %s%s", service, timeout, hint)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted before %s answered", service)
	}
	return err
}

// inspectFor bounds all looking around after a failure: the user has waited enough.
const inspectFor = 300 * time.Millisecond

// seen returns the names of the services that the broker knows, if it tells.
func seen(ctx context.Context, s *session) (names []string) {
	for _, status := range inspect(ctx, s) {
		names = append(names, status.Name)
	}
	return names
}

// statusOf returns what the broker knows of a service, if it tells.
func statusOf(ctx context.Context, s *session, service string) (status transports.ServiceStatus, ok bool) {
	for _, status := range inspect(ctx, s) {
		if status.Name == service {
			return status, true
		}
	}
	return status, false
}

func inspect(ctx context.Context, s *session) []transports.ServiceStatus {
	inspector, ok := s.transport.(transports.Inspector)
	if !ok {
		return nil
	}
	list, err := inspector.Services(ctx)
	if err != nil {
		return nil // it is for a hint only
	}
	return list
}

func without(names []string, name string) (rest []string) {
	for _, n := range names {
		if n != name {
			rest = append(rest, n)
		}
	}
	return rest
}
