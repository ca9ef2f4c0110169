package runner

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// localBroker is where "start" puts its private broker when the port is free.
const localBroker = "redis://127.0.0.1:6399"

// The values of JOURNEYMAN_TRANSPORT.
const (
	onRedis    = "redis"
	onRabbitMQ = "rabbitmq"
	overHTTP   = "http"
)

// A broker is where messages go and where that was found: the address of a real
// broker or, over HTTP, those of the services themselves.
type broker struct {
	transport string            // one of the above; "" where nothing was found
	url       string            // with its password; "" over HTTP where addresses say it all
	addresses map[string]string // over HTTP: base URLs by service, with their passwords
	source    string            // a variable, a file or "default"
}

// A family is a kind of broker: a value that JOURNEYMAN_TRANSPORT may have, the
// schemes of its URLs, and the variables under which platforms and add-ons leave
// them, in the order in which they are asked. A * stands for an add-on's colour.
type family struct {
	name      string
	title     string // what people call it
	schemes   []string
	example   string // an address
	variables []string
}

// families is in order of preference for apps that have several.
func families() []family {
	return []family{
		{onRedis, "Redis", []string{"redis", "rediss"}, "redis://user:password@host:6379", []string{
			"REDIS_TLS_URL", // before REDIS_URL, which was plain on Heroku's old mini plans
			"REDIS_URL", "SCALINGO_REDIS_URL", "REDISCLOUD_URL", "REDISTOGO_URL", "OPENREDIS_URL", "REDISGREEN_URL",
			"UPSTASH_REDIS_URL", "KV_URL", "HEROKU_REDIS_*_URL", "DOKKU_REDIS_*_URL",
		}},
		{onRabbitMQ, "RabbitMQ", []string{"amqp", "amqps"}, "amqp://user:password@host:5672", []string{
			"AMQP_URL", "RABBITMQ_URL", "RABBITMQ_BIGWIG_URL", "CLOUDAMQP_URL", "DOKKU_RABBITMQ_*_URL",
		}},
		// An address of one's own, so no platform has a variable for it.
		{overHTTP, "HTTP", []string{"http", "https"}, "http://" + placeholder + ".internal:8080", nil},
	}
}

func familyNamed(name string) family {
	all := families()
	return all[slices.IndexFunc(all, func(f family) bool { return f.name == name })]
}

// A choice is what an operator decided about the broker.
type choice struct {
	url       Secret            // JOURNEYMAN_URL
	transport string            // JOURNEYMAN_TRANSPORT, "" if unset
	addresses map[string]string // JOURNEYMAN_SERVICES
}

// findBroker returns the broker that the environment names; a zero one if it
// names none. JOURNEYMAN_URL wins, then the platforms' names, then VCAP_SERVICES,
// then JOURNEYMAN_SERVICES, which nobody would set beside a broker without saying
// which of the two is meant. c.transport narrows the choice to one family.
func findBroker(c choice, environ map[string]string) (broker, error) {
	if c.url != "" {
		return c.own()
	}
	for _, f := range families() {
		if c.transport != "" && c.transport != f.name {
			continue
		}
		for _, name := range f.variables {
			for _, name := range expand(name, environ) {
				if v := strings.TrimSpace(environ[name]); v != "" {
					b := broker{transport: f.name, url: v, source: name}
					return b, checkBroker(b)
				}
			}
		}
	}
	b, err := findBound(environ["VCAP_SERVICES"], c.transport)
	if err != nil || b.url != "" {
		return b, err
	}
	switch c.transport {
	case "", overHTTP:
		if len(c.addresses) > 0 {
			return broker{transport: overHTTP, addresses: c.addresses, source: "JOURNEYMAN_SERVICES"}, nil
		}
	case onRabbitMQ:
		return broker{}, fmt.Errorf("JOURNEYMAN_TRANSPORT is %q and no variable holds the URL of one; set JOURNEYMAN_URL to one such as %s; \"start\" brings no RabbitMQ, but \"docker run -p 5672:5672 rabbitmq\" does, at amqp://127.0.0.1",
			onRabbitMQ, familyNamed(onRabbitMQ).example)
	}
	return broker{}, nil
}

// own is the broker that JOURNEYMAN_URL names.
func (c choice) own() (broker, error) {
	b := broker{url: strings.TrimSpace(string(c.url)), source: "JOURNEYMAN_URL"}
	scheme, _, found := strings.Cut(b.url, "://")
	scheme = strings.ToLower(scheme)
	for _, f := range families() {
		if found && slices.Contains(f.schemes, scheme) {
			b.transport = f.name
		}
	}
	if err := checkBroker(b); err != nil {
		return b, err
	}
	if c.transport != "" && c.transport != b.transport {
		return b, fmt.Errorf("JOURNEYMAN_TRANSPORT is %q, and JOURNEYMAN_URL begins with %s://, which is %q; unset one of them", c.transport, scheme, b.transport)
	}
	if b.transport == overHTTP {
		b.addresses = c.addresses
	}
	return b, nil
}

// expand returns the names in environ that fit a name with a *, sorted.
func expand(name string, environ map[string]string) []string {
	before, after, wild := strings.Cut(name, "*")
	if !wild {
		return []string{name}
	}
	colour := regexp.MustCompile("^" + before + "[A-Z0-9_]+" + after + "$")
	return slices.DeleteFunc(slices.Sorted(maps.Keys(environ)), func(n string) bool { return !colour.MatchString(n) })
}
