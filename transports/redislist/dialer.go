package redislist

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// A dialer makes connections to one broker.
type dialer struct {
	options redis.Options // address, credentials, database
	tls     *tls.Config   // nil: plain TCP
	label   string        // begins the name that CLIENT LIST shows
	timing  timing
}

var errUsedUp = errors.New("connection used up")

// connect dials the broker and wraps the connection in a client that can use no other.
// Under the name, if it has one, CLIENT LIST shows it; who may not give one is refused.
func (d *dialer) connect(ctx context.Context, name string) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timing.connect)
	defer cancel()
	netDialer := net.Dialer{
		// A broker that stands still answers these all the same: its kernel does.
		// Only a peer that is gone does not.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	raw, err := netDialer.DialContext(ctx, d.options.Network, d.options.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect to broker: %w", err)
	}
	sock := &socket{Conn: raw}
	sock.moved.Store(time.Now().UnixNano())
	var conn net.Conn = sock
	var state *tls.ConnectionState
	if d.tls != nil {
		secure := tls.Client(sock, d.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, explainTLS(err)
		}
		shown := secure.ConnectionState()
		conn, state = secure, &shown
	}

	options := d.options
	var used atomic.Bool
	options.Dialer = func(context.Context, string, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errUsedUp
		}
		return conn, nil
	}
	if name != "" {
		options.ClientName = d.nameOf(name)
	}
	options.Protocol = 2           // no pushes: a byte that nobody asked for means a broken line
	options.DisableIdentity = true // two commands less in each greeting
	options.MaxRetries = -1        // LPUSH and BLMOVE are not idempotent
	options.ReadTimeout = -2       // no deadlines; see line
	options.WriteTimeout = -2      //
	options.PoolSize = 2           // one is used; with a size of 1 a failed dial would start a goroutine that redials
	options.PipelinePoolSize = -1  // would be connections of its own
	options.DialerRetries = 1      //
	options.ConnMaxIdleTime = -1   //
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &connection{client: redis.NewClient(&options), socket: sock, wire: conn, secure: state}, nil
}

// nameOf is what CLIENT LIST shows of a connection.
func (d *dialer) nameOf(name string) string {
	return d.label + ":" + strings.ReplaceAll(name, " ", "-")
}

// alive returns nil once the broker has answered on a connection of its own. It
// waits no longer than timing.silence.
func (d *dialer) alive(ctx context.Context) error {
	conn, err := d.connect(ctx, "probe")
	if err != nil {
		return err
	}
	timer := time.AfterFunc(d.timing.silence, func() { _ = conn.socket.Close() })
	defer timer.Stop()
	stop := context.AfterFunc(ctx, func() { _ = conn.socket.Close() })
	defer stop()
	defer conn.close()
	if err := conn.client.Ping(context.Background()).Err(); err != nil && !answered(err) {
		return err
	}
	return nil // be it "max number of clients reached"
}
