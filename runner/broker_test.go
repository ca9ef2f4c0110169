package runner

import (
	"maps"
	"strings"
	"testing"
)

func TestFindBroker(t *testing.T) {
	t.Parallel()
	const bound = `{"user-provided":[{"credentials":{"token":"x"}}],
		"p.redis":[{"credentials":{"uri":"rediss://vcap"}}],
		"p.rabbit":[{"credentials":{"uris":["amqp://vcap","amqp://second"],"uri":"amqp://vcap","dashboard_url":"https://x"}}]}`
	services := "calculator=http://c"
	for _, tc := range []struct {
		name      string
		own       string
		transport string
		env       map[string]string
		url, from string
		chosen    string
	}{
		{name: "nothing"},
		{name: "nothing, and Redis wanted", transport: "redis"},
		{name: "nothing, and HTTP wanted", transport: "http"},
		{"own wins", "redis://own", "", map[string]string{"REDIS_URL": "redis://theirs"}, "redis://own", "JOURNEYMAN_URL", "redis"},
		{"own wins, whatever it is", "amqps://own", "", map[string]string{"REDIS_URL": "redis://theirs"}, "amqps://own", "JOURNEYMAN_URL", "rabbitmq"},
		{"own, said twice", "AMQP://own", "rabbitmq", nil, "AMQP://own", "JOURNEYMAN_URL", "rabbitmq"},
		{"a list", " amqps://a , amqp://b/vhost ", "", nil, "amqps://a , amqp://b/vhost", "JOURNEYMAN_URL", "rabbitmq"},
		{"HTTP", "https://{service}.internal:8080/x", "", nil, "https://{service}.internal:8080/x", "JOURNEYMAN_URL", "http"},
		{"HTTP without a placeholder", "http://gateway", "http", nil, "http://gateway", "JOURNEYMAN_URL", "http"},
		{"HTTP and addresses", "http://gateway", "", map[string]string{"JOURNEYMAN_SERVICES": services}, "http://gateway", "JOURNEYMAN_URL", "http"},
		{"TLS before plain", "", "", map[string]string{"REDIS_URL": "redis://plain", "REDIS_TLS_URL": "rediss://tls"}, "rediss://tls", "REDIS_TLS_URL", "redis"},
		{"empty is unset", "", "", map[string]string{"REDIS_TLS_URL": " ", "REDIS_URL": "redis://h"}, "redis://h", "REDIS_URL", "redis"},
		{"Redis before RabbitMQ", "", "", map[string]string{"CLOUDAMQP_URL": "amqps://a", "REDIS_URL": "redis://r"}, "redis://r", "REDIS_URL", "redis"},
		{"RabbitMQ alone", "", "", map[string]string{"CLOUDAMQP_URL": "amqps://u:p@a,amqps://b"}, "amqps://u:p@a,amqps://b", "CLOUDAMQP_URL", "rabbitmq"},
		{"RabbitMQ wanted", "", "rabbitmq", map[string]string{"CLOUDAMQP_URL": "amqps://a", "REDIS_URL": "redis://r"}, "amqps://a", "CLOUDAMQP_URL", "rabbitmq"},
		{"RabbitMQ of Dokku", "", "rabbitmq", map[string]string{"DOKKU_RABBITMQ_BLUE_URL": "amqp://a"}, "amqp://a", "DOKKU_RABBITMQ_BLUE_URL", "rabbitmq"},
		{"an add-on's colour", "", "", map[string]string{"HEROKU_REDIS_JADE_URL": "rediss://j", "HEROKU_REDIS_AMBER_URL": "rediss://a"}, "rediss://a", "HEROKU_REDIS_AMBER_URL", "redis"},
		{"no colour", "", "", map[string]string{"HEROKU_REDIS__URL_OLD": "rediss://j"}, "", "", ""},
		{"Cloud Foundry", "", "", map[string]string{"VCAP_SERVICES": bound}, "rediss://vcap", "VCAP_SERVICES (p.redis)", "redis"},
		{"Cloud Foundry, RabbitMQ wanted", "", "rabbitmq", map[string]string{"VCAP_SERVICES": bound}, "amqp://vcap,amqp://second", "VCAP_SERVICES (p.rabbit)", "rabbitmq"},
		{"variables before Cloud Foundry", "", "", map[string]string{"VCAP_SERVICES": bound, "KV_URL": "redis://k"}, "redis://k", "KV_URL", "redis"},
		{"addresses alone", "", "", map[string]string{"JOURNEYMAN_SERVICES": services}, "", "JOURNEYMAN_SERVICES", "http"},
		{"addresses behind a broker", "", "", map[string]string{"JOURNEYMAN_SERVICES": services, "VCAP_SERVICES": bound}, "rediss://vcap", "VCAP_SERVICES (p.redis)", "redis"},
		{"addresses wanted", "", "http", map[string]string{"JOURNEYMAN_SERVICES": services, "REDIS_URL": "redis://r"}, "", "JOURNEYMAN_SERVICES", "http"},
		{"addresses not wanted", "", "redis", map[string]string{"JOURNEYMAN_SERVICES": services}, "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			addresses, _ := parseServices(tc.env["JOURNEYMAN_SERVICES"])
			got, err := findBroker(choice{Secret(tc.own), tc.transport, addresses}, tc.env)
			if err != nil || got.url != tc.url || got.source != tc.from || got.transport != tc.chosen {
				t.Errorf("found %s %q from %q, %v, want %s %q from %q", got.transport, got.url, got.source, err, tc.chosen, tc.url, tc.from)
			}
			if want := tc.chosen == overHTTP && len(addresses) > 0; (len(got.addresses) > 0) != want {
				t.Errorf("its addresses are %v, out of %v", got.addresses, addresses)
			}
		})
	}
}

func TestFindBrokerRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		own       string
		transport string
		env       map[string]string
		want      []string // parts of the error
	}{
		{"a list for Redis", "redis://u:hunter2@a,redis://b", "", nil, []string{"JOURNEYMAN_URL", "Sentinel", "2 addresses"}},
		{"a list for HTTP", "http://u:hunter2@a,http://b", "", nil, []string{"JOURNEYMAN_URL lists 2 addresses", "JOURNEYMAN_SERVICES"}},
		{"a mixed list", "amqp://u:hunter2@a,redis://b", "", nil, []string{"JOURNEYMAN_URL mixes redis:// with amqp:// or amqps://"}},
		{"a list mixed the other way", "redis://u:hunter2@a,amqp://b", "", nil, []string{"JOURNEYMAN_URL mixes amqp:// with redis:// or rediss://"}},
		{"a comma in the password", "amqp://u:hun,ter2@a", "", nil, []string{"JOURNEYMAN_URL: address 1 of 2, separated by commas, is no URL", "(, as %2C"}},
		{"nothing behind a comma", "amqp://u:hunter2@a,", "", nil, []string{"JOURNEYMAN_URL: address 2 of 2"}},
		{"another scheme", "postgres://u:hunter2@a", "", nil, []string{"JOURNEYMAN_URL begins with postgres://, want redis://, rediss://, amqp://, amqps://, http:// or https://"}},
		{"no scheme", "hunter2:6379", "", nil, []string{"JOURNEYMAN_URL", "not a URL", "redis:// is missing in front"}},
		{"no scheme, a number", "127.0.0.1:6379", "", nil, []string{"JOURNEYMAN_URL", "redis:// is missing in front"}},
		{"no host", "amqp:///hunter2", "", nil, []string{"JOURNEYMAN_URL", "not a URL such as amqp://user:password@host:5672"}},
		{"a slash in the password", "redis://u:hun/ter2@h", "", nil, []string{"JOURNEYMAN_URL", "not a URL", "(/ as %2F)"}},
		{"a slash in a password of RabbitMQ", "amqp://a,amqp://u:hun/ter2@h", "", nil, []string{"JOURNEYMAN_URL: address 2 of 2", "/ as %2F)"}},
		{"a platform's own", "", "", map[string]string{"REDIS_URL": "https://u:hunter2@a"}, []string{"REDIS_URL begins with https://, want redis:// or rediss://; set JOURNEYMAN_URL"}},
		{"RabbitMQ where Redis should be", "", "", map[string]string{"REDIS_URL": "amqp://u:hunter2@a"}, []string{"REDIS_URL begins with amqp://"}},
		{"another transport than the URL's", "amqp://u:hunter2@a", "redis", nil, []string{`JOURNEYMAN_TRANSPORT is "redis"`, `amqp://, which is "rabbitmq"`}},
		{"HTTP wanted, a broker named", "redis://u:hunter2@a", "http", nil, []string{`JOURNEYMAN_TRANSPORT is "http"`, `redis://, which is "redis"`}},
		{"no RabbitMQ", "", "rabbitmq", map[string]string{"REDIS_URL": "redis://a"}, []string{`"rabbitmq"`, "set JOURNEYMAN_URL", "docker run"}},
		{"Cloud Foundry's JSON is none", "", "", map[string]string{"VCAP_SERVICES": `{"hunter2`}, []string{"VCAP_SERVICES"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := findBroker(choice{url: Secret(tc.own), transport: tc.transport}, tc.env)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "hun") {
				t.Errorf("error shows a password: %v", err)
			}
		})
	}
}

func TestParseServices(t *testing.T) {
	t.Parallel()
	got, faults := parseServices(" calculator = http://h:1/x , statistics=https://[::1]:2,")
	if want := map[string]string{"calculator": "http://h:1/x", "statistics": "https://[::1]:2"}; len(faults) > 0 || !maps.Equal(got, want) {
		t.Errorf("%v, %q, want %v", got, faults, want)
	}
	if got := servicesVariable(got); got != "calculator=http://h:1/x,statistics=https://[::1]:2" {
		t.Errorf("written again it is %s", got)
	}
	for text, want := range map[string]string{
		",":                                "holds commas and no address",
		"http://u:hunter2@h":               "not of the form calculator=http://host:8080",
		"http://u:hunter2@h/?a=b":          "not of the form",
		"calculator":                       "not of the form",
		"calculator=":                      "an address of calculator that is not a URL",
		"calculator=h:80":                  "an address of calculator that is not a URL",
		"calculator=redis://u:hunter2@h":   "an address of calculator that is not a URL",
		"calculator=http://u:hun/ter2@h":   "an address of calculator that is not a URL",
		"calculator=http://u:hunter2@h":    "a user or a password in the address of calculator",
		"calculator=http://h?key=hunter2":  "an address of calculator with a query",
		"calculator=http://{service}":      "{service} in the address of calculator",
		"Order=http://h":                   `a service "Order", want 1 to 24 letters`,
		"web=http://h":                     `a service "web"`,
		"a=http://h,b=http://h,a=http://i": "two addresses of a,",
	} {
		if _, faults := parseServices(text); len(faults) != 1 || !strings.Contains(faults[0], want) || strings.Contains(faults[0], "hun") {
			t.Errorf("%q: faults are %q, want one that says %q and no password", text, faults, want)
		}
	}
	if _, faults := parseServices("a,b,C=http://h"); len(faults) != 3 {
		t.Errorf("faults are %q, want all three", faults)
	}
}
