package httprpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// Examine implements transports.Examiner: is each service of the plan where the
// configuration says, does it accept the key, is its clock right, its certificate good?
func (t *Transport) Examine(ctx context.Context, plan transports.Plan) ([]transports.Finding, error) {
	if t.life.Err() != nil {
		return nil, fmt.Errorf("examine: %w", transports.ErrClosed)
	}
	names := t.configured()
	if t.options.Base != "" {
		names = append(names, plan.Services...)
		slices.Sort(names)
		names = slices.Compact(names)
	}
	found := t.examineKeys(names)
	for _, name := range plan.Services {
		if !slices.Contains(names, name) {
			found = append(found, transports.Finding{
				Subject: name, Grade: transports.Warning, Found: "No address is set for it, so calls of it fail.",
				Advice: "Add " + name + "=http://HOST:PORT to JOURNEYMAN_SERVICES, if anything calls it.",
			})
		}
	}
	each := make([][]transports.Finding, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			try, stop := context.WithTimeout(ctx, t.inner.connect)
			defer stop()
			each[i] = t.examine(try, name)
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("examine: %w", err)
	}
	return append(found, slices.Concat(each...)...), nil
}

// examineKeys looks at what protects services from strangers.
func (t *Transport) examineKeys(names []string) []transports.Finding {
	if len(names) == 0 {
		return []transports.Finding{{
			Subject: "addresses", Grade: transports.Trouble, Found: "No service has an address, so nothing can be called.",
			Advice: "Set JOURNEYMAN_SERVICES to NAME=http://HOST:PORT,…, or JOURNEYMAN_URL to an address with {service} in it.",
		}}
	}
	var open, legible []string
	for _, name := range names {
		a, err := t.address(name)
		switch {
		case err != nil || a.isLocal():
		case len(t.options.Keys) == 0:
			open = append(open, name)
		case !a.secure:
			legible = append(legible, name)
		}
	}
	f := transports.Finding{Subject: "keys", Grade: transports.Fine, Found: "A key is set."}
	switch {
	case len(open) > 0:
		f.Grade = transports.Warning
		f.Found = fmt.Sprintf("No key is set, so whoever reaches %s may call.", strings.Join(open, ", "))
		f.Advice = "Set the same key for callers and services, unless the network keeps others out."
	case len(legible) > 0:
		f.Grade = transports.Warning
		f.Found = fmt.Sprintf("The key goes to %s without TLS.", strings.Join(legible, ", "))
		f.Advice = "Use https:// unless nobody can listen on that network."
	case len(t.options.Keys) == 0:
		f.Found = "No key is set; all services are on this machine."
	}
	return []transports.Finding{f}
}

// isLocal reports whether an address can be reached from this machine alone.
func (a *address) isLocal() bool {
	ip, err := netip.ParseAddr(a.name)
	return err == nil && ip.IsLoopback() || a.name == "localhost" || strings.HasSuffix(a.name, ".localhost")
}

// examine asks one address a question that changes nothing: GET, where only POST is served.
func (t *Transport) examine(ctx context.Context, name string) []transports.Finding {
	a, err := t.address(name)
	if err != nil {
		return []transports.Finding{{
			Subject: name, Grade: transports.Trouble, Found: sentence(err.Error()), Advice: "Correct the name or the address.",
		}}
	}
	began := time.Now()
	r, c, err := t.get(ctx, a, a.prefix+pathPrefix+name)
	if err != nil {
		return []transports.Finding{unreached(a, err)}
	}
	took := time.Since(began)
	f := a.served(r)
	if f.Grade == transports.Fine {
		f.Found = fmt.Sprintf("%s answers in %v.", a.url(""), took.Round(100*time.Microsecond))
	}
	found := []transports.Finding{f}
	if date, err := http.ParseTime(r.date); err == nil {
		found = append(found, clockOf(name, date, began, took)...)
	}
	if c.secured != nil {
		found = append(found, certificateOf(name, c.secured.ConnectionState().PeerCertificates[0].NotAfter)...)
	}
	return found
}

func unreached(a *address, err error) transports.Finding {
	f := transports.Finding{Subject: a.service, Grade: transports.Trouble, Found: sentence(err.Error())}
	_, refused := errors.AsType[*transports.RefusedError](err)
	_, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case refused:
		f.Advice = "Correct the scheme of the address, or have the service show a certificate that this machine trusts."
	case unknown:
		f.Advice = "Correct the host in the address; private names resolve inside of the platform alone."
	case errors.Is(err, context.DeadlineExceeded):
		f.Found = fmt.Sprintf("%s does not answer in time.", a.url(""))
		f.Advice = "See whether something between drops packets, or the process there hangs."
	default:
		f.Advice = "Start the service, or correct host and port of its address."
		if op, ok := errors.AsType[*net.OpError](err); ok {
			f.Found = fmt.Sprintf("%s cannot be reached: %v.", a.url(""), op.Err)
		}
	}
	return f
}

// served says what the answer to GET means.
func (a *address) served(r *response) transports.Finding {
	f := transports.Finding{Subject: a.service, Grade: transports.Trouble, Found: fmt.Sprintf("%s answers %s.", a.url(pathPrefix+a.service), r.said())}
	switch {
	case r.status == http.StatusMethodNotAllowed:
		return transports.Finding{Subject: a.service, Grade: transports.Fine}
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		f.Advice = "Set a key that the service accepts; of several, the first is shown."
	case r.refused == refusedNobody:
		f.Advice = "Correct the address: another service answers there."
	case r.status/100 == 3:
		f.Found = fmt.Sprintf("%s redirects to %q.", a.url(""), short(r.location))
		f.Advice = "Set the address to where the service is, with its scheme: redirects are not followed."
	default:
		f.Advice = "Correct the address: no service of ours answers like that."
	}
	return f
}

// clockOf compares clocks. Deadlines travel as the time that remains, so they are
// safe; what logs and histories say is not.
func clockOf(name string, date, asked time.Time, took time.Duration) []transports.Finding {
	off := date.Sub(asked.Add(took / 2))
	if off.Abs() < 5*time.Second+took { // the date has whole seconds
		return nil
	}
	return []transports.Finding{{
		Subject: name + ": clock", Grade: transports.Warning,
		Found:  fmt.Sprintf("Its clock and the one here differ by %v.", off.Abs().Round(time.Second)),
		Advice: "Have both set by NTP. Deadlines hold all the same; times in logs do not.",
	}}
}

// certificateOf warns of a certificate that is about to expire.
func certificateOf(name string, until time.Time) []transports.Finding {
	left := time.Until(until)
	if left > 14*24*time.Hour {
		return nil
	}
	return []transports.Finding{{
		Subject: name + ": certificate", Grade: transports.Warning,
		Found: fmt.Sprintf("It expires in %v.", left.Round(time.Hour)), Advice: "Renew it.",
	}}
}

// sentence makes one of an error's text.
func sentence(s string) string {
	return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] + "."
}
