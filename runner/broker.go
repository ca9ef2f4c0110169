package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// localBroker is where "start" puts its private broker when the port is free.
const localBroker = "redis://127.0.0.1:6399"

// spoken is the one family that has a transport in this version. The others are
// known so that an address of theirs gets an answer that makes sense.
const spoken = "redis"

// A broker is an address and where it was found.
type broker struct {
	url    string // with its password
	source string // a variable, a file or "default"
}

// A family is a kind of broker: a value that JOURNEYMAN_TRANSPORT may have, the
// schemes of its URLs, and the variables under which platforms and add-ons leave
// them, in the order in which they are asked. A * stands for an add-on's colour.
type family struct {
	name      string
	schemes   []string
	variables []string
}

// families is in order of preference for apps that have several.
func families() []family {
	return []family{
		{"redis", []string{"redis", "rediss"}, []string{
			"REDIS_TLS_URL", // before REDIS_URL, which was plain on Heroku's old mini plans
			"REDIS_URL", "SCALINGO_REDIS_URL", "REDISCLOUD_URL", "REDISTOGO_URL", "OPENREDIS_URL", "REDISGREEN_URL",
			"UPSTASH_REDIS_URL", "KV_URL", "HEROKU_REDIS_*_URL", "DOKKU_REDIS_*_URL",
		}},
		{"rabbitmq", []string{"amqp", "amqps"}, []string{
			"AMQP_URL", "RABBITMQ_URL", "RABBITMQ_BIGWIG_URL", "CLOUDAMQP_URL", "DOKKU_RABBITMQ_*_URL",
		}},
		{"http", []string{"http", "https"}, nil}, // an address of one's own, so only JOURNEYMAN_URL has it
	}
}

// findBroker returns the broker that the environment names; a zero one if it
// names none. JOURNEYMAN_URL wins, then the platforms' names, then VCAP_SERVICES.
// transport narrows the choice to one family.
func findBroker(own Secret, transport string, environ map[string]string) (broker, error) {
	if own != "" {
		b := broker{url: strings.TrimSpace(string(own)), source: "JOURNEYMAN_URL"}
		return b, checkBroker(b)
	}
	for _, f := range families() {
		if transport != "" && transport != f.name {
			continue
		}
		for _, name := range f.variables {
			for _, name := range expand(name, environ) {
				if v := strings.TrimSpace(environ[name]); v != "" {
					b := broker{url: v, source: name}
					return b, checkBroker(b)
				}
			}
		}
	}
	b, err := findBound(environ["VCAP_SERVICES"], transport)
	if err != nil || b.url != "" {
		return b, err
	}
	if transport != "" {
		return broker{}, fmt.Errorf("JOURNEYMAN_TRANSPORT is %q and no variable holds such a URL; set JOURNEYMAN_URL", transport)
	}
	return broker{}, nil
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

// findBound looks through the JSON in which Cloud Foundry hands over what is
// bound to an app: {"label": [{"credentials": {"uri": "…"}}]}. Only the scheme
// tells what a service is; labels are up to each operator.
func findBound(vcap, transport string) (broker, error) {
	if strings.TrimSpace(vcap) == "" {
		return broker{}, nil
	}
	var labels map[string][]struct {
		Credentials struct {
			URI  string   `json:"uri"`
			URL  string   `json:"url"`
			URIs []string `json:"uris"`
		} `json:"credentials"`
	}
	if err := json.Unmarshal([]byte(vcap), &labels); err != nil {
		return broker{}, errors.New("VCAP_SERVICES is not the JSON that Cloud Foundry writes; set JOURNEYMAN_URL") // err may quote a password
	}
	for _, f := range families() {
		if transport != "" && transport != f.name || f.variables == nil {
			continue
		}
		for _, label := range slices.Sorted(maps.Keys(labels)) {
			for _, service := range labels[label] {
				c := service.Credentials
				for _, candidate := range append([]string{c.URI, c.URL}, c.URIs...) {
					if scheme, _, _ := strings.Cut(candidate, "://"); slices.Contains(f.schemes, strings.ToLower(scheme)) {
						b := broker{url: candidate, source: "VCAP_SERVICES (" + label + ")"}
						return b, checkBroker(b)
					}
				}
			}
		}
	}
	return broker{}, nil
}

// checkBroker finds what is wrong with a broker's address, as far as that can be
// seen without opening the transport. It never quotes the address.
func checkBroker(b broker) error {
	members := strings.Split(b.url, ",")
	for _, member := range members {
		if !strings.Contains(member, "://") {
			return fmt.Errorf("%s is not a URL such as redis://user:password@host:6379 (not shown, as it may hold a password): redis:// is missing in front", b.source)
		}
		u, err := url.Parse(strings.TrimSpace(member))
		if err != nil || u.Scheme == "" || u.Host == "" {
			return fmt.Errorf("%s is not a URL such as redis://user:password@host:6379 (not shown, as it may hold a password); in a password percent-encode special characters (/ as %%2F)", b.source)
		}
		switch {
		case !slices.Contains(schemesOf(spoken), u.Scheme):
			hint := ""
			if b.source != "JOURNEYMAN_URL" {
				hint = "; set JOURNEYMAN_URL"
			}
			return fmt.Errorf("%s begins with %s://, and this version speaks Redis only (redis:// or rediss://)%s", b.source, u.Scheme, hint)
		case len(members) > 1:
			return fmt.Errorf("%s lists %d addresses, and Redis takes one: for a primary with replicas use the one address that your provider or a proxy in front of Sentinel gives, as addresses of Sentinel nodes are not supported", b.source, len(members))
		}
	}
	return nil
}

func schemesOf(name string) []string {
	for _, f := range families() {
		if f.name == name {
			return f.schemes
		}
	}
	return nil
}
