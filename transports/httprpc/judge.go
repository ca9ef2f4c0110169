package httprpc

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/journeyman-go/journeyman/transports"
)

// judge returns nil for an answer of the service, and else what the status means. A
// word in headerRefused is from a server that knows; without one a router or a stranger
// has answered, of which only that much is certain as its status says.
func (a *address) judge(r *response) error {
	if r.status == http.StatusNoContent || r.status == http.StatusAccepted {
		return nil
	}
	if r.status == http.StatusOK {
		if !isJSON(r.kind) {
			return a.stranger(fmt.Sprintf("a reply of the type %q", r.kind))
		}
		return nil
	}
	if err := a.word(r); err != nil {
		return err
	}
	switch {
	case r.status/100 == 3:
		return refuse("%s: redirected to %q, and redirects are not followed; set the address to where the service is", a.url(""), short(r.location))
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden, r.status == http.StatusProxyAuthRequired:
		return refuse("%s: %s", a.url(""), r.said())
	case r.status == http.StatusRequestEntityTooLarge, r.status == http.StatusRequestHeaderFieldsTooLarge:
		return fmt.Errorf("%w: %s: %s", transports.ErrTooLarge, a.url(""), r.said())
	case r.status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: %s: %s", transports.ErrBusy, a.url(""), r.said())
	case r.status == http.StatusRequestTimeout, r.status >= 500, r.status < 300:
		// A router that lost a worker in the middle says so too (Heroku's H13 is a 503).
		return fmt.Errorf("%w: %s: %s", transports.ErrUnknownOutcome, a.url(""), r.said())
	}
	return a.stranger(r.said())
}

// word returns the error that a server of ours has put into one word, nil without it.
func (a *address) word(r *response) error {
	var kind error
	switch r.refused {
	case "":
		return nil
	case refusedBusy:
		kind = transports.ErrBusy
	case refusedDraining, refusedNotMine:
		kind = transports.ErrUnavailable
	case refusedNobody:
		kind = transports.ErrNoService
	case refusedLarge:
		kind = transports.ErrTooLarge
	case refusedDeadline:
		kind = context.DeadlineExceeded
	case refusedKey:
		return refuse("%s: %s", a.url(""), r.said())
	case refusedFailed:
		kind = transports.ErrUnknownOutcome
	default:
		return fmt.Errorf("%s: refused (%s): %s", a.url(""), short(r.refused), r.said())
	}
	return fmt.Errorf("%w: %s: %s", kind, a.url(""), r.said())
}

// stranger is the error for an address at which something else than a service answers.
func (a *address) stranger(what string) error {
	return refuse("%s: %s; no service of ours answers like that: is the address of %s right?", a.url(pathPrefix+a.service), what, a.service)
}

func refuse(format string, args ...any) error {
	return &transports.RefusedError{Err: fmt.Errorf(format, args...)}
}

// said is the status and the first words of what came with it.
func (r *response) said() string {
	status := fmt.Sprintf("%d %s", r.status, http.StatusText(r.status))
	if text := short(string(r.body)); text != "" && !strings.Contains(r.kind, "html") {
		return strings.TrimSpace(status) + ": " + text
	}
	return strings.TrimSpace(status)
}

// short returns the beginning of a stranger's text as one line that can be shown.
func short(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s[:min(len(s), most)], "")), " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
