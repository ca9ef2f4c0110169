package rabbitmq

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

var _ transports.Examiner = (*Transport)(nil)

// An examination is one look at a broker, on a connection of its own: the others are
// good for nothing where the user may not declare what they need.
type examination struct {
	*Transport
	ctx      context.Context
	session  *session
	plan     transports.Plan
	findings []transports.Finding
}

// note adds a finding. Its text is a sentence, and so is the advice, "" if all is well.
func (e *examination) note(grade transports.Grade, subject, advice, found string, args ...any) {
	e.findings = append(e.findings, transports.Finding{
		Subject: subject, Grade: grade, Found: fmt.Sprintf(found, args...), Advice: advice,
	})
}

// Examine implements transports.Examiner. Where it returns an error it may have found
// something nevertheless, and then that explains the error.
func (t *Transport) Examine(ctx context.Context, plan transports.Plan) ([]transports.Finding, error) {
	const doing = "examine broker"
	if t.isClosed() {
		return nil, fmt.Errorf("%s: %w", doing, transports.ErrClosed)
	}
	ctx, stop := t.whileOpen(ctx)
	defer stop()
	// Whoever gives up waiting leaves the examination to itself, and so its findings.
	type result struct {
		findings []transports.Finding
		err      error
	}
	done := make(chan result, 1)
	err := t.bounded(ctx, func() error {
		e := &examination{Transport: t, ctx: ctx, plan: plan}
		err := e.run()
		done <- result{e.findings, err}
		return nil
	})
	if err != nil {
		return nil, t.trouble(ctx, doing, err)
	}
	r := <-done
	if r.err == nil {
		return r.findings, nil
	}
	if ctx.Err() == nil && !errors.Is(r.err, transports.ErrUnavailable) {
		r.err = fmt.Errorf("%w: %w", transports.ErrUnavailable, r.err)
	}
	return r.findings, t.trouble(ctx, doing, r.err)
}

func (e *examination) run() error {
	if err := e.connect(); err != nil {
		return err
	}
	defer func() {
		e.session.end(e.timing.closing)
		e.session.watched.Wait()
	}()
	stop := context.AfterFunc(e.ctx, func() { e.session.lose(e.ctx.Err()) })
	defer stop()
	e.server()
	e.security()
	e.limits()
	for _, step := range []func() error{e.distance, e.exchanges, e.queuesOf, e.publishes} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// connect takes the first broker that answers, and notes those that do not.
func (e *examination) connect() error {
	d := &dialer{urls: e.consuming.dialer.urls, name: e.opts.Instance, timing: e.timing}
	var err error
	for i := range d.urls {
		if e.session, err = d.dial(e.ctx, "examining"); err == nil {
			return nil
		}
		if doubt, ok := errors.AsType[*doubtfulError](err); ok {
			err = doubt.err
		}
		if len(d.urls) > 1 {
			e.note(transports.Warning, "connecting", "Look at its address, user and password, and whether it is up.",
				"Broker %d of %d cannot be used: %v.", i+1, len(d.urls), err)
		}
	}
	return err
}

// server looks at what kind of broker it is.
func (e *examination) server() {
	const subject = "server"
	text := func(name string) string {
		s, _ := e.session.conn.Properties[name].(string)
		return s
	}
	product, version := text("product"), text("version")
	found := strings.TrimSpace(product + " " + version)
	if cluster := text("cluster_name"); cluster != "" {
		found += ", cluster " + cluster
	}
	major, minor, ok := majorMinor(version)
	switch {
	case product != "RabbitMQ":
		e.note(transports.Warning, subject, "Try what matters to you: deadlines, retries, and a worker that is killed.",
			"It says that it is %s: what speaks AMQP 0-9-1 without being RabbitMQ is untested.", cmp.Or(found, "nothing in particular"))
	case !ok:
		e.note(transports.Warning, subject, "See that it is 3.10 or later.", "It says that it is %s, which is no version.", found)
	case major < 3 || major == 3 && minor < 10:
		e.note(transports.Trouble, subject, "Take 3.10 or later.",
			"It is %s: queues that are replicated know no deadlines before 3.10, and lose what waits for its time.", found)
	default:
		e.note(transports.Fine, subject, "", "It is %s.", found)
	}
}

func majorMinor(version string) (major, minor int, ok bool) {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(first)
	minor, errMinor := strconv.Atoi(second)
	return major, minor, err == nil && errMinor == nil
}

// security looks at what protects the connection.
func (e *examination) security() {
	const subject = "security"
	state := e.session.conn.ConnectionState()
	if len(state.PeerCertificates) == 0 {
		if addr := e.session.conn.RemoteAddr(); !isNear(addr) {
			e.note(transports.Warning, subject, "Use the broker's amqps:// address, if it has one.",
				"The connection is not encrypted, and goes to the public address %s: whoever is in between can read the password and all messages.", addr)
			return
		}
		e.note(transports.Fine, subject, "", "The connection is not encrypted, and stays on this machine or in a private network.")
		return
	}
	const renewal = 14 * 24 * time.Hour
	end := state.PeerCertificates[0].NotAfter
	protocol, until := tls.VersionName(state.Version), end.Format(time.DateOnly)
	switch {
	case len(state.VerifiedChains) == 0:
		e.note(transports.Warning, subject, "Remove verify=verify_none from its URL, and name its CA with cacertfile=….",
			"%s, and any certificate is accepted: whoever gets in between can read everything.", protocol)
	case time.Until(end) < renewal:
		e.note(transports.Warning, subject, "Have it renewed: from then on nothing can connect.",
			"%s, and the certificate is valid only until %s.", protocol, until)
	default:
		e.note(transports.Fine, subject, "", "%s; the certificate is trusted and valid until %s.", protocol, until)
	}
}

// isNear reports whether an address is of this machine or of a private network.
func isNear(addr net.Addr) bool {
	host, _, err := net.SplitHostPort(addr.String())
	ip := net.ParseIP(host)
	return err == nil && ip != nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast())
}

// limits looks at what was agreed upon when connecting, and at what AMQP does not tell.
func (e *examination) limits() {
	config := e.session.conn.Config
	switch beat := config.Heartbeat; {
	case beat == 0:
		e.note(transports.Warning, "heartbeat", "Remove heartbeat=0 from the URL.",
			"There is none: that a broker is gone, or a firewall has forgotten the connection, goes unnoticed for minutes.")
	case beat > time.Minute:
		e.note(transports.Warning, "heartbeat", "Remove heartbeat from the URL; 10 s is the default.",
			"It comes every %v: a broker that is gone is noticed after up to %v.", beat, beat*3/2)
	default:
		e.note(transports.Fine, "heartbeat", "", "A broker that is gone is noticed within %v.", beat*3/2)
	}
	// Consumers of a service and of each bound method, publishing, and what asks: a dozen
	// or two. The library itself stops at 2047.
	const fewChannels, frame = 32, 128 << 10
	if n := config.ChannelMax; n > 0 && n < fewChannels {
		e.note(transports.Warning, "channels", fmt.Sprintf("Raise channel_max to %d or more.", fewChannels), "The broker allows %d on a connection.", n)
	}
	if n := config.FrameSize; n > 0 && n < frame {
		e.note(transports.Warning, "frame size", fmt.Sprintf("Raise frame_max to %d, its default.", frame),
			"The broker takes frames of %d bytes: a message with more headers than that ends the connection.", n)
	}
	const subject, advice = "connections", "Compare that with the limit of your plan."
	each := Connections(true, true)
	if n := e.plan.Processes * each; n > 0 {
		e.note(transports.Fine, subject, advice, "%d processes hold %d, and %d while a deploy runs old and new beside each other; the broker does not tell its limit.",
			e.plan.Processes, n, 2*n)
	} else {
		e.note(transports.Fine, subject, advice, "Each process holds %d; the broker does not tell its limit.", each)
	}
}

// distance measures the way to the broker.
func (e *examination) distance() error {
	const tries, far = 5, 50 * time.Millisecond
	fastest := time.Duration(math.MaxInt64)
	err := onChannel(e.session.conn, func(ch *amqp.Channel) error {
		for range tries {
			began := time.Now()
			if err := ch.Qos(1, 0, false); err != nil { // the least that it has to answer
				return err
			}
			fastest = min(fastest, time.Since(began))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if round := fastest.Round(10 * time.Microsecond); fastest > far {
		e.note(transports.Warning, "distance", "Put the broker where the app runs: into the same region.", "A round trip takes %v, and each call at least two.", round)
	} else {
		e.note(transports.Fine, "distance", "", "A round trip takes %v.", round)
	}
	return nil
}

// services returns those to be looked at.
func (e *examination) services() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(e.opts.Catalogue, e.opts.Known, e.plan.Services))))
}
