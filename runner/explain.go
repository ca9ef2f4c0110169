package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// clockSkew is how much earlier than here a deadline may pass where a handler runs.
const clockSkew = 100 * time.Millisecond

// explain turns the failures of a journey into one sentence with a hint. What the
// service answered passes through, except that the deadline of ctx, the call's,
// has passed: the handler has the same one, and who notices first is chance.
func (a *app) explain(ctx context.Context, err error, s *session, service string, timeout time.Duration) error {
	answer, answered := errors.AsType[*jsonrpc.Error](err)
	deadline, _ := ctx.Deadline()
	late := errors.Is(err, context.DeadlineExceeded) && time.Until(deadline) < clockSkew
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inspectFor)
	defer cancel()
	refusal, refused := errors.AsType[*transports.RefusedError](err)
	switch {
	case err == nil:
		return nil
	case answered && !late:
		return answer
	case refused && s.overHTTP():
		return configError{fmt.Sprintf("%s cannot be called: %v", s.env.broker.whereIs(service), refusal)}
	case refused:
		return s.refused(err)
	case errors.Is(err, transports.ErrUnavailable):
		// The whole chain may hold a hint of the transport's own, as for a
		// certificate; of a plain refusal the last link says it all.
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		if s.overHTTP() {
			why := err.Error()
			if _, rest, ok := strings.Cut(why, transports.ErrUnavailable.Error()+": "); ok {
				why = rest // there is no broker
			}
			return fmt.Errorf("%s cannot be called: %s; start it with %q, or all with %q",
				s.env.broker.whereIs(service), why, a.name+" serve "+service, a.name+" start")
		}
		return fmt.Errorf("no broker answers at %s (from %s): %w; %s", redactURL(s.env.broker.url), s.env.broker.source, err, s.howToGetBroker())
	case errors.Is(err, transports.ErrNoService):
		known := append(a.names(), seen(ctx, s)...)
		hint := didYouMean(service, without(known, service))
		switch b := s.env.broker; {
		case !s.overHTTP():
			where := "on this broker"
			if b.source == "default" { // perhaps it is that of another app's "start"
				where += " (" + redactURL(b.url) + ", since none is set)"
			}
			return fmt.Errorf("no service named %q was ever started %s%s", service, where, hint)
		case b.addressOf(service) != "":
			return fmt.Errorf("%s is not served there%s", b.whereIs(service), hint)
		}
		if hint == "" {
			hint = fmt.Sprintf("; add %s=http://host:8080 to JOURNEYMAN_SERVICES, or set JOURNEYMAN_URL to an address with %s in it", service, placeholder)
		}
		return fmt.Errorf("no address is set for a service named %q%s", service, hint)
	case errors.Is(err, transports.ErrBuried):
		return fmt.Errorf("%w; see %q", err, a.name+" dead list "+service)
	case errors.Is(err, context.DeadlineExceeded) && s.overHTTP():
		return fmt.Errorf("%s did not answer within %s", s.env.broker.whereIs(service), timeout)
	case errors.Is(err, context.DeadlineExceeded):
		if s.reachable(ctx) != nil {
			return fmt.Errorf("%s did not answer within %s", s.env.broker.where(), timeout)
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
