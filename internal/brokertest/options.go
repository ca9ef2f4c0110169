//go:build unix

package brokertest

// An Option configures a Redis of a test's own.
type Option interface{ configureRedis(c *config) }

type redisOption func(*config)

func (o redisOption) configureRedis(c *config) { o(c) }

type config struct {
	args      []string
	password  string
	tls       bool
	removeDir bool // when the process ends, for a server that outlives every test
}

// AOF has Redis write every command to disk before it answers, so that what it
// acknowledged survives Kill. Without it Redis stores nothing.
func AOF() Option {
	return Args("--appendonly", "yes", "--appendfsync", "always")
}

// Args adds arguments of redis-server, such as "--maxmemory", "3mb".
func Args(args ...string) Option {
	return redisOption(func(c *config) { c.args = append(c.args, args...) })
}

// Password has clients authenticate; Server.URL contains it.
func Password(password string) Option {
	return redisOption(func(c *config) { c.password = password })
}

// BothOption is an option of either broker.
type BothOption interface {
	Option
	RabbitOption
}

// TLS has the broker accept TLS alone, with a certificate for 127.0.0.1 that
// only Server.CA or Rabbit.CA has signed. The URL begins with rediss:// or
// amqps://. RabbitMQ's management API stays without.
func TLS() BothOption { return tlsOption{} }

type tlsOption struct{}

func (tlsOption) configureRedis(c *config)        { c.tls = true }
func (tlsOption) configureRabbit(c *rabbitConfig) { c.tls = true }
