package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// examine has the transport look at its broker. It reports whether there is one that
// can be asked about services.
func (d *checkup) examine(ctx context.Context, transport transports.Transport) bool {
	var err error
	var found []transports.Finding
	began := time.Now()
	if examiner, ok := transport.(transports.Examiner); ok {
		found, err = examiner.Examine(ctx, d.plan)
		for _, f := range found {
			if f.Grade == transports.Warning && strings.HasPrefix(d.env.broker.source, stateDir) {
				f.Grade, f.Advice = transports.Fine, "" // it ends with "start", and need not last
			}
			d.findings = append(d.findings, f)
		}
	} else if pinger, ok := transport.(transports.Pinger); ok {
		if err = pinger.Ping(ctx); err == nil {
			d.note(transports.Fine, "connecting", "", "It answers.")
		}
	}
	switch _, refused := errors.AsType[*transports.RefusedError](err); {
	case err == nil:
		return true
	case refused:
		d.wrong = true
	}
	if !slices.ContainsFunc(found, func(f transports.Finding) bool { return f.Grade == transports.Trouble }) {
		d.unreached(ctx, err, time.Since(began))
	}
	return false
}

// unreached says in what way the broker cannot be reached.
func (d *checkup) unreached(ctx context.Context, err error, took time.Duration) {
	const subject = "connecting"
	b := d.env.broker
	refusal, refused := errors.AsType[*transports.RefusedError](err)
	unknown, isUnknown := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case refused:
		found, advice := halves(refusal.Error())
		if advice == "" {
			advice = "Look at user and password in " + b.source + "."
		}
		d.note(transports.Trouble, subject, advice, "The broker refuses this process: %s", found)
	case isUnknown && !unknown.IsTimeout:
		d.note(transports.Trouble, subject, "Look at the host in "+b.source+"; names of private networks are known only inside of them.",
			"There is no host %s (%s).", unknown.Name, unknown.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		advice := fmt.Sprintf("Start one with %q, or set JOURNEYMAN_URL.", d.name+" start")
		if d.env.platform.name != "" || b.transport != onRedis {
			advice = "Look at host and port in " + b.source + ", and whether the broker is up."
		}
		d.note(transports.Trouble, subject, advice, "Nothing listens there: connection refused.")
	case errors.Is(ctx.Err(), context.Canceled):
		d.note(transports.Warning, subject, "", "It had not answered when you interrupted.")
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		d.note(transports.Trouble, subject, "Look whether the broker is up, and whether a firewall is in between.", "No answer within %s.", took.Round(time.Second/10))
	default:
		d.note(transports.Trouble, subject, "Look at the address in "+b.source+", and at the broker's log.", "%s", sentence(printable(err.Error())))
	}
}

// services looks at who serves what, and what waits.
func (d *checkup) services(ctx context.Context, transport transports.Transport) {
	inspector, ok := transport.(transports.Inspector)
	if !ok || d.env.broker.transport == overHTTP { // which has neither workers nor queues to tell of
		return
	}
	list, err := inspector.Services(ctx)
	switch {
	case errors.Is(err, transports.ErrUnsupported):
		return
	case err != nil:
		found, advice := halves(err.Error())
		d.note(transports.Trouble, "services", advice, "They cannot be looked at. %s", found)
		return
	}
	known := make(map[string]transports.ServiceStatus)
	for _, status := range list {
		known[status.Name] = status
	}
	for _, name := range d.names() {
		status, ok := known[name]
		switch {
		case ok:
			d.service(status)
		default:
			d.note(transports.Warning, name, d.starting(name), "It was never started on this broker.")
		}
	}
	for _, status := range list {
		if n := told(status.Waiting); !slices.Contains(d.names(), status.Name) && isDown(status) && n > 0 && !d.isArticle(status.Name) {
			d.note(transports.Warning, status.Name, "If another app has it, start that; if nobody has it any more, its callers wait in vain.",
				"It is no service of this app, nobody serves it, and %s.", waiting(status))
		}
	}
}

func (d *checkup) isArticle(name string) bool {
	return slices.Contains(d.env.config.ArticleServices, name)
}

func (d *checkup) starting(name string) string {
	if d.env.platform.name == "Heroku" {
		return fmt.Sprintf("Start it: heroku ps:scale %s=1.", name)
	}
	return fmt.Sprintf("Start it: %s serve %s.", d.name, name)
}

// service looks at one service of this app. Each thing that is wrong has a line of
// its own, as each wants something else to be done.
func (d *checkup) service(s transports.ServiceStatus) {
	before := len(d.findings)
	warn := func(advice, found string, args ...any) { d.note(transports.Warning, s.Name, advice, found, args...) }
	down := isDown(s) && !d.isArticle(s.Name)
	var late time.Duration
	if s.Oldest != nil && !s.Oldest.IsZero() {
		late = time.Since(*s.Oldest)
	}
	switch {
	case s.Paused:
		warn(fmt.Sprintf("Let it go on: %s resume %s.", d.name, s.Name), "It is paused, and %s.", waiting(s))
	case down && told(s.Waiting)+told(s.InFlight)+told(s.Suspects) > 0:
		d.note(transports.Trouble, s.Name, d.starting(s.Name), "No worker of it is up, and %s.", waiting(s))
	case down:
		warn(d.starting(s.Name), "No worker of it is up.")
	}
	switch n := told(s.Waiting); {
	case n >= int64(d.env.config.MaxQueue) && n > 0:
		d.note(transports.Trouble, s.Name, "Run more workers of it.", "Its queue is full, and refuses calls and jobs: %s.", waiting(s))
	case late > d.patience() && !down && !s.Paused:
		warn("Run more workers of it, or see what holds those up.", "It is behind: %s, the first of them for %s.", waiting(s), age(late))
	case n*5 >= int64(d.env.config.MaxQueue)*4 && n > 0:
		warn("Run more workers of it.", "Its queue is filling up: %s, of %d at most.", waiting(s), d.env.config.MaxQueue)
	}
	if several := versions(s.Workers); strings.Contains(several, ", ") {
		warn("If no deploy is under way, restart the older ones.", "Its workers are of several versions: %s.", several)
	}
	if n := told(s.Suspects); n > 0 {
		warn("See in the log of its workers of what they died.", "%s to be run apart from others, as workers died that ran %s.", waits(n, "request"), them(n))
	}
	if n := told(s.Dead); n > 0 {
		warn(fmt.Sprintf("See them: %s dead list %s.", d.name, s.Name), "%s: given up, and kept until somebody retries or deletes %s.", sentenceStart(counted(int(n), "dead letter")), them(n))
	}
	switch {
	case len(d.findings) > before:
	case s.Consumers == nil || d.isArticle(s.Name):
		d.note(transports.Fine, s.Name, "", "Nobody can tell who serves it; %s.", waiting(s))
	default:
		of := ""
		if s.Workers != nil {
			of = " (" + versions(s.Workers) + ")"
		}
		d.note(transports.Fine, s.Name, "", "%s%s, and %s.", sentenceStart(counted(int(*s.Consumers), "worker")), of, waiting(s))
	}
}

// told is what the broker told, 0 if it told nothing.
func told(n *int64) int64 {
	if n == nil {
		return 0
	}
	return max(*n, 0)
}

// waiting says how much waits for a service.
func waiting(s transports.ServiceStatus) string {
	var parts []string
	if n := told(s.Waiting); n > 0 || s.Waiting == nil {
		parts = append(parts, waits(n, "request"))
	}
	if n := told(s.InFlight); n > 0 {
		parts = append(parts, fmt.Sprintf("%d in flight", n))
	}
	if s.Waiting == nil {
		parts[0] = "how much waits is not known"
	}
	if len(parts) == 0 {
		return "nothing waits"
	}
	return strings.Join(parts, ", ")
}

func waits(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing + " waits"
	}
	return fmt.Sprintf("%d %ss wait", n, thing)
}

func them(n int64) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
