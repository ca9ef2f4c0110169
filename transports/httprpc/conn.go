package httprpc

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// A conn is one connection of HTTP/1.1 on which one request is under way at a time.
//
// net/http's client is not used. It does not tell whether a request was written, sends
// some a second time on its own, those with an Idempotency-Key among them
// (http.Request.isReplayable), and needs two goroutines for each connection, which
// costs half of the speed.
type conn struct {
	endpoint endpoint
	tcp      net.Conn
	stream   net.Conn // tcp, or TLS above it
	in       *bufio.Reader
	metered  *meter
	secured  *tls.Conn // nil without TLS
	limit    int64     // bytes of one reply, with its header
	since    time.Time // when it was put aside
}

// headerRoom is what the header of a reply may take, in bytes.
const headerRoom = 64 << 10

func newConn(a *address, tcp net.Conn, maxMessage int) *conn {
	c := &conn{endpoint: a.endpoint(), tcp: tcp, limit: int64(maxMessage) + headerRoom}
	c.metered = &meter{}
	c.in = bufio.NewReader(c.metered)
	c.use(tcp)
	return c
}

func (c *conn) use(stream net.Conn) { c.stream, c.metered.from = stream, stream }

// kill closes the connection at once, without TLS's goodbye, for which a peer that
// reads nothing would make it wait.
func (c *conn) kill() { _ = c.tcp.Close() }

// A meter reads until a limit is reached.
type meter struct {
	from io.Reader
	left int64
}

var errReplyTooLong = errors.New("the reply is longer than the limit (JOURNEYMAN_MAX_MESSAGE)")

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errReplyTooLong
	}
	n, err := m.from.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}

// A response is what came back.
type response struct {
	status   int
	refused  string // of headerRefused
	kind     string // content type
	location string // where a redirect points
	date     string // by the server's clock
	body     []byte
	reusable bool
}

// An unsentError says that the peer cannot have begun the request: it did not get
// the whole of it.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }

func (e *unsentError) Unwrap() error { return e.err }

// exchange writes one request, head and body, and reads what comes back. An
// unsentError means that it was not begun, any other error that nobody knows.
func (c *conn) exchange(head, body []byte) (*response, error) {
	c.metered.left = c.limit
	if err := c.write(head, body); err != nil {
		// Who refuses a request before the end of it may answer and hang up, so the
		// answer, if there is one, is here already.
		_ = c.stream.SetReadDeadline(time.Now().Add(time.Second))
		if r, readErr := c.read(); readErr == nil {
			r.reusable = false
			return r, nil
		}
		return nil, &unsentError{fmt.Errorf("write request: %w", err)}
	}
	r, err := c.read()
	if err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	return r, nil
}

// write sends small requests in one packet.
func (c *conn) write(head, body []byte) error {
	if len(body) <= 32<<10 {
		_, err := c.stream.Write(append(head, body...))
		return err
	}
	if _, err := c.stream.Write(head); err != nil {
		return err
	}
	_, err := c.stream.Write(body)
	return err
}

// read reads the reply to one POST.
func (c *conn) read() (*response, error) {
	for range 8 {
		r, err := http.ReadResponse(c.in, nil)
		if err != nil {
			return nil, err
		}
		if r.StatusCode/100 == 1 && r.StatusCode != http.StatusSwitchingProtocols {
			continue // interim, RFC 9110, section 15.2
		}
		body, err := c.readBody(r)
		if err != nil {
			return nil, err
		}
		return &response{
			status: r.StatusCode, refused: r.Header.Get(headerRefused), kind: r.Header.Get("Content-Type"),
			location: r.Header.Get("Location"), date: r.Header.Get("Date"), body: body,
			reusable: !r.Close && c.in.Buffered() == 0 && r.StatusCode >= http.StatusOK,
		}, nil
	}
	return nil, errors.New("one interim response after the other")
}

func (c *conn) readBody(r *http.Response) ([]byte, error) {
	defer r.Body.Close()
	if n := r.ContentLength; n > c.limit {
		return nil, errReplyTooLong
	} else if n >= 0 && n <= 64<<10 {
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	return io.ReadAll(r.Body)
}
