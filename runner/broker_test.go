package runner

import (
	"strings"
	"testing"
)

func TestFindBroker(t *testing.T) {
	t.Parallel()
	const bound = `{"user-provided":[{"credentials":{"token":"x"}}],
		"p.redis":[{"credentials":{"uri":"rediss://vcap"}}],
		"p.rabbit":[{"credentials":{"uris":["amqp://vcap"]}}]}`
	for _, tc := range []struct {
		name      string
		own       string
		transport string
		env       map[string]string
		url, from string
	}{
		{name: "nothing"},
		{"own wins", "redis://own", "", map[string]string{"REDIS_URL": "redis://theirs"}, "redis://own", "JOURNEYMAN_URL"},
		{"TLS before plain", "", "", map[string]string{"REDIS_URL": "redis://plain", "REDIS_TLS_URL": "rediss://tls"}, "rediss://tls", "REDIS_TLS_URL"},
		{"empty is unset", "", "", map[string]string{"REDIS_TLS_URL": " ", "REDIS_URL": "redis://h"}, "redis://h", "REDIS_URL"},
		{"Redis before RabbitMQ", "", "", map[string]string{"CLOUDAMQP_URL": "amqps://a", "REDIS_URL": "redis://r"}, "redis://r", "REDIS_URL"},
		{"an add-on's colour", "", "", map[string]string{"HEROKU_REDIS_JADE_URL": "rediss://j", "HEROKU_REDIS_AMBER_URL": "rediss://a"}, "rediss://a", "HEROKU_REDIS_AMBER_URL"},
		{"no colour", "", "", map[string]string{"HEROKU_REDIS__URL_OLD": "rediss://j"}, "", ""},
		{"Cloud Foundry", "", "", map[string]string{"VCAP_SERVICES": bound}, "rediss://vcap", "VCAP_SERVICES (p.redis)"},
		{"variables before Cloud Foundry", "", "", map[string]string{"VCAP_SERVICES": bound, "KV_URL": "redis://k"}, "redis://k", "KV_URL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := findBroker(Secret(tc.own), tc.transport, tc.env)
			if err != nil || got.url != tc.url || got.source != tc.from {
				t.Errorf("found %q from %q, %v, want %q from %q", got.url, got.source, err, tc.url, tc.from)
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
		{"another scheme", "postgres://u:hunter2@a", "", nil, []string{"JOURNEYMAN_URL", "postgres://", "Redis only"}},
		{"no scheme", "hunter2:6379", "", nil, []string{"JOURNEYMAN_URL", "not a URL", "redis:// is missing in front"}},
		{"no scheme, a number", "127.0.0.1:6379", "", nil, []string{"JOURNEYMAN_URL", "redis:// is missing in front"}},
		{"a slash in the password", "redis://u:hun/ter2@h", "", nil, []string{"JOURNEYMAN_URL", "not a URL", "(/ as %2F)"}},
		{"a platform's own", "", "", map[string]string{"REDIS_URL": "https://u:hunter2@a"}, []string{"REDIS_URL", "https://"}},
		{"RabbitMQ alone", "", "", map[string]string{"CLOUDAMQP_URL": "amqps://u:hunter2@a,amqps://b"}, []string{"CLOUDAMQP_URL", "amqps://", "Redis only", "JOURNEYMAN_URL"}},
		{"Cloud Foundry with RabbitMQ alone", "", "", map[string]string{"VCAP_SERVICES": `{"p.rabbit":[{"credentials":{"uri":"amqp://u:hunter2@v"}}]}`}, []string{"VCAP_SERVICES (p.rabbit)", "Redis only"}},
		{"nothing for the transport", "", "redis", map[string]string{"CLOUDAMQP_URL": "amqps://a"}, []string{`"redis"`, "JOURNEYMAN_URL"}},
		{"Cloud Foundry's JSON is none", "", "", map[string]string{"VCAP_SERVICES": `{"hunter2`}, []string{"VCAP_SERVICES"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := findBroker(Secret(tc.own), tc.transport, tc.env)
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
