package rabbitmq

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// A dialer makes connections to the first of its brokers that takes one. It is for one
// link alone: two that fail together would, counting together, pass over every other URL.
type dialer struct {
	urls   []string
	name   string // of this process, shown beside its connections
	timing timing

	next    int // the URL to try next
	refused int // so many refused, one after the other
}

// newDialer checks the URLs. Its errors hold no password.
func newDialer(urls []string, instance string, timing timing) (*dialer, error) {
	if len(urls) == 0 {
		return nil, errors.New("no URL of a broker")
	}
	for i, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("URL %d of %d cannot be read (not shown, as it may hold a password); in a password percent-encode special characters (/ as %%2F)", i+1, len(urls))
		}
		if u.Scheme != "amqp" && u.Scheme != "amqps" {
			return nil, fmt.Errorf("URL %d of %d begins with %s://, want amqp:// or amqps://", i+1, len(urls), u.Scheme)
		}
		if _, err := amqp.ParseURI(raw); err != nil {
			return nil, fmt.Errorf("URL %d of %d, %s, cannot be used: %s", i+1, len(urls), u.Redacted(), strings.ReplaceAll(err.Error(), raw, u.Redacted()))
		}
	}
	return &dialer{urls: urls, name: instance, timing: timing}, nil
}

// copy returns a dialer for another link.
func (d *dialer) copy() *dialer {
	return &dialer{urls: d.urls, name: d.name, timing: d.timing}
}

// dial makes one connection, to the URL after the one that failed last. That one broker
// refuses is no refusal while the others have not been asked.
func (d *dialer) dial(ctx context.Context, purpose string) (*session, error) {
	s, err := d.connect(ctx, d.urls[d.next%len(d.urls)], purpose)
	if err != nil {
		d.next++
	}
	switch {
	case !isRefusal(err):
		d.refused = 0
	case d.refused < len(d.urls)-1:
		d.refused++
		err = errors.New(err.Error())
	}
	return s, err
}

func (d *dialer) connect(ctx context.Context, raw, purpose string) (*session, error) {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(strings.TrimSpace(d.name + " " + purpose))
	var wire *socket
	var began time.Time
	release := func() bool { return false }
	config := amqp.Config{ // a new one each time: the library writes to it (amqp091-go#387)
		Heartbeat:  d.timing.heartbeat,
		Properties: properties,
		Dial: func(network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: d.timing.connect}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			began = time.Now()
			// For the handshake; the library lifts it afterwards.
			if err := conn.SetDeadline(began.Add(d.timing.connect)); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			wire = newSocket(conn, d.timing.write)
			release = context.AfterFunc(ctx, func() { _ = conn.Close() })
			return wire, nil
		},
	}
	if u, err := url.Parse(raw); err == nil && u.Scheme == "amqps" && u.RawQuery == "" {
		// The library sets no lowest version. TLS parameters of a URL are its to read.
		config.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	}
	conn, err := amqp.DialConfig(raw, config)
	release() // from here on a session ends in good order
	if err != nil {
		if wire != nil {
			_ = wire.Close()
		}
		return nil, refusal(err, time.Since(began))
	}
	return newSession(conn, wire), nil
}

// refusal finds out whether trying again can help, and says what went wrong in words
// for the person who can help it.
func refusal(err error, took time.Duration) error {
	if authority, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return &transports.RefusedError{Err: fmt.Errorf("the broker's certificate is not trusted: %w; name the CA with ?cacertfile=… in the URL", authority)}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &transports.RefusedError{Err: fmt.Errorf("the broker's certificate is refused: %w", err)}
	}
	fault, ok := errors.AsType[*amqp.Error](err)
	switch {
	case !ok:
		return err
	case fault == amqp.ErrCredentials:
		// RabbitMQ answers a wrong password with a closed socket, after 3 s; a network that
		// breaks closes it too, and the library cannot tell them apart.
		if took < time.Second {
			return errors.New("the broker closed the connection while it was opened")
		}
		return &doubtfulError{&transports.RefusedError{Err: errors.New("the broker refuses user and password")}}
	case fault.Server && fault.Code == amqp.NotAllowed && !strings.Contains(fault.Reason, "limit"):
		return &transports.RefusedError{Err: fmt.Errorf("the broker refuses the virtual host, which is the URL's path (/ is written %%2F): %s", fault.Reason)}
	case fault.Server && fault.Code == amqp.AccessRefused:
		return &transports.RefusedError{Err: fmt.Errorf("the broker refuses: %s", fault.Reason)}
	}
	return err
}

// A doubtfulError is a refusal that may have been an accident; a second one in a row
// makes it certain.
type doubtfulError struct{ err *transports.RefusedError }

func (d *doubtfulError) Error() string { return d.err.Error() }
