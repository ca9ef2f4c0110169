//go:build unix

package brokertest

// A RabbitOption configures a RabbitMQ of a test's own.
type RabbitOption interface{ configureRabbit(c *rabbitConfig) }

type rabbitConfig struct {
	lines     []string // of rabbitmq.conf
	users     []user
	tls       bool
	removeDir bool // when the process ends, for a node that outlives every test
}

type user struct {
	name, password         string
	configure, write, read string
}

type rabbitOption func(*rabbitConfig)

func (o rabbitOption) configureRabbit(c *rabbitConfig) { o(c) }

// Config adds lines of rabbitmq.conf, such as "consumer_timeout = 1000". It
// makes the start a second longer.
func Config(lines ...string) RabbitOption {
	return rabbitOption(func(c *rabbitConfig) { c.lines = append(c.lines, lines...) })
}

// User adds a user who is no administrator. The other three are regular
// expressions of names in the vhost "/": what the user may declare and delete,
// publish or bind to, and consume or bind from. "" means nothing, ".*" everything.
func User(name, password, configure, write, read string) RabbitOption {
	return rabbitOption(func(c *rabbitConfig) {
		c.users = append(c.users, user{name, password, configure, write, read})
	})
}
