package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/client"
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
	by := directly
	var p *patron
	if c.Bool("async") {
		by = func(s *session, service string) (_ transports.Caller, _ time.Duration, err error) {
			p, err = a.withTicket(s, service)
			return p, s.env.config.AsyncTimeout, err
		}
	}
	return a.ask(c, args, by, func(ctx context.Context, to *client.Client, method string, params json.RawMessage) error {
		result, err := to.CallRaw(ctx, method, params, opts...)
		switch {
		case err != nil && p != nil && p.isTaken && errors.Is(ctx.Err(), context.Canceled):
			return fmt.Errorf("interrupted; %s", a.goesOn(p.ticket))
		case err != nil:
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
	return a.ask(c, args, directly, func(ctx context.Context, to *client.Client, method string, params json.RawMessage) error {
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

// A route is how a call is made: through what, and how long it may take where the command
// line does not say.
type route func(s *session, service string) (by transports.Caller, timeout time.Duration, err error)

func directly(s *session, _ string) (transports.Caller, time.Duration, error) {
	return s.transport, s.env.config.Timeout, nil
}

func (a *app) ask(c *cli.Context, args []string, by route, do func(context.Context, *client.Client, string, json.RawMessage) error) error {
	r, err := a.request(c, args)
	if err != nil {
		return err
	}
	s, err := a.session(a.name, false)
	if err != nil {
		return err
	}
	defer s.transport.Close()

	caller, timeout, err := by(s, r.service)
	if err != nil {
		return err
	}
	timeout = cmp.Or(r.timeout, timeout)
	ctx, release := a.interruptible(c.Context)
	defer release()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = do(ctx, client.New(caller, r.service, client.Timeout(timeout)), r.method, r.params)
	if b := s.env.broker; errors.Is(err, transports.ErrUnsupported) && b.transport != onRedis {
		who := redisAlone
		if s.overHTTP() && !c.IsSet("unique") {
			who = brokers
		}
		return fmt.Errorf("%w; %s can do it", err, who)
	}
	return a.explain(ctx, err, s, r.service, timeout)
}

// A request is what the command line says is to be called.
type request struct {
	service, method string
	params          json.RawMessage
	timeout         time.Duration // 0: as JOURNEYMAN_TIMEOUT says, or JOURNEYMAN_ASYNC_TIMEOUT
}

// request reads SERVICE METHOD [ARG…] and --timeout. What they say wrong is the
// user's, and found before anything is opened.
func (a *app) request(c *cli.Context, args []string) (r request, err error) {
	if len(args) < 2 {
		return r, usagef("%s wants a service and a method: %s %s SERVICE METHOD [ARG…]", c.Command.Name, a.name, c.Command.Name)
	}
	r.service, r.method = args[0], args[1]
	if err := transports.CheckName(r.service); err != nil {
		return r, usagef("%v", err)
	}
	if r.params, err = parseParams(args[2:]); err != nil {
		return r, err
	}
	if c.IsSet("timeout") {
		if r.timeout = c.Duration("timeout"); r.timeout <= 0 {
			return r, usagef("--timeout is %s, want more than 0", r.timeout)
		}
	}
	return r, nil
}

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
