package redislist

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/stale"
)

// A line is one connection to the broker, used by one goroutine at a time. It
// makes a new connection where the old one is gone, and it never repeats a
// command: whoever sent it knows better whether that is safe.
//
// A line waits for an answer as long as it takes. Giving up on a broker that
// merely stands still would leave commands behind in it that run when it wakes
// up: a blocked pop that takes a message for nobody. So a line is given up only
// when its peer is gone or, see watch, when the broker answers on another one.
type line struct {
	dialer *dialer
	name   string
	ctx    context.Context // ended by close
	cancel context.CancelFunc
	block  time.Duration // the longest blocking command
	greet  func(context.Context, *redis.Client) error

	mu     sync.Mutex
	conn   *connection
	closed bool
}

// connection is one lifetime of a line.
type connection struct {
	client *redis.Client
	socket *socket
	wire   net.Conn             // what the client talks on: the socket, or TLS on it
	secure *tls.ConnectionState // nil: plain TCP
	watch  *watch               // once it is a line's
}

func (c *connection) close() {
	if c.watch != nil {
		c.watch.close()
	}
	// The socket first: closing a client may wait for its connection.
	_ = c.socket.Close()
	_ = c.client.Close()
}

var errLineClosed = errors.New("connection closed by this process")

// exec sends what fill adds to a pipeline and waits for the answers. An error
// means that the connection is gone and that some commands may not have their
// result; unsent says that none can have reached the broker. Errors that the broker
// answered are found in the commands.
func (l *line) exec(fill func(redis.Pipeliner)) (unsent bool, err error) {
	return l.execOn(l.last(), fill)
}

// execOn is exec on the connection that current or last has returned; nil has one made.
func (l *line) execOn(conn *connection, fill func(redis.Pipeliner)) (unsent bool, err error) {
	if conn == nil {
		if conn, err = l.connect(); err != nil {
			return true, err
		}
	}
	pipe := conn.client.Pipeline()
	fill(pipe)
	if pipe.Len() == 0 {
		return true, nil
	}
	written := conn.socket.written.Load()
	conn.watch.begin()
	cmds, err := pipe.Exec(context.Background())
	conn.watch.end()
	if err == nil {
		return false, nil
	}
	return l.review(conn, cmds, written)
}

// review draws the consequences of an exchange in which a command may have failed.
func (l *line) review(conn *connection, cmds []redis.Cmder, written int64) (unsent bool, err error) {
	for _, cmd := range cmds {
		err := cmd.Err()
		if err != nil && !answered(err) {
			l.drop(conn)
			return conn.socket.written.Load() == written, fmt.Errorf("connection %s: %w", l.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "READONLY") {
			l.reset() // a primary that has become a replica: the name leads to another one now
		}
	}
	return false, nil
}

// answered reports whether err is the broker's own word, so that the connection is sound.
func answered(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// last returns the connection that was there last, nil if none is. What can be sent again
// may be sent on it.
func (l *line) last() *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// current returns the connection that is there, nil if none is or it is of no use. To
// look costs a system call.
func (l *line) current() *connection {
	conn := l.last()
	if conn != nil && stale.Conn(conn.socket.Conn) {
		l.drop(conn)
		return nil
	}
	return conn
}

// connect makes a new connection and greets the broker on it.
func (l *line) connect() (*connection, error) {
	if l.ctx.Err() != nil {
		return nil, errLineClosed
	}
	conn, err := l.dialer.connect(l.ctx, l.name)
	if err != nil {
		return nil, err
	}
	conn.watch = newWatch(l, conn)
	l.mu.Lock()
	l.conn = conn
	closed := l.closed
	l.mu.Unlock()
	if closed {
		l.drop(conn)
		return nil, errLineClosed
	}
	// The greeting is bounded, unlike what follows: there is nothing to lose yet.
	timer := time.AfterFunc(l.dialer.timing.connect, func() { _ = conn.socket.Close() })
	err = l.greet(context.Background(), conn.client)
	if inTime := timer.Stop(); err != nil {
		l.drop(conn)
		if !inTime {
			return nil, fmt.Errorf("broker accepts connections but has not answered for %v", l.dialer.timing.connect)
		}
		if why := conn.socket.refusal(); why != "" && !answered(err) {
			return nil, fmt.Errorf("greet broker: %s: %w", why, err)
		}
		return nil, fmt.Errorf("greet broker: %w", err)
	}
	return conn, nil
}

func (l *line) drop(conn *connection) {
	l.mu.Lock()
	if l.conn == conn {
		l.conn = nil
	}
	l.mu.Unlock()
	conn.close()
}

// reset makes the next exec begin with a new connection.
func (l *line) reset() {
	if conn := l.last(); conn != nil {
		l.drop(conn)
	}
}

// close ends the line for good. What is under way fails.
func (l *line) close() {
	l.cancel()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.reset()
}

// wait sleeps for d or until ctx ends, and returns ctx's error in that case.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
