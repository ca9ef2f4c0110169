//go:build unix

package brokertest

// An Option configures a Redis of a test's own.
type Option func(*config)

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
	return func(c *config) { c.args = append(c.args, args...) }
}

// Password has clients authenticate; Server.URL contains it.
func Password(password string) Option {
	return func(c *config) { c.password = password }
}

// TLS has Redis accept TLS alone, with a certificate for 127.0.0.1 that only
// Server.CA has signed. Server.URL begins with rediss://.
func TLS() Option {
	return func(c *config) { c.tls = true }
}
