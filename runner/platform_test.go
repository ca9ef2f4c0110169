package runner

import (
	"strings"
	"testing"
	"time"
)

func TestDetectPlatform(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		env   map[string]string
		want  string
		drain time.Duration
	}{
		{"a laptop", map[string]string{"PORT": "5000", "PS": "web.1"}, "", 4 * time.Second},
		{"a laptop with platforms' tools", map[string]string{"DOKKU_HOST": "d", "FLY_APP": "a", "RAILWAY_PROJECT_ID": "p", "CONTAINER": "c"}, "", 4 * time.Second},
		{"Heroku", map[string]string{"DYNO": "web.1"}, "Heroku", 25 * time.Second},
		{"Dokku", map[string]string{"DYNO": "web.1", "DOKKU_APP_NAME": "a"}, "Dokku", 25 * time.Second},
		{"Scalingo", map[string]string{"CONTAINER": "web-1", "APP": "a"}, "Scalingo", 25 * time.Second},
		{"Fly.io", map[string]string{"FLY_MACHINE_ID": "1"}, "Fly.io", 4 * time.Second},
		{"Cloud Foundry", map[string]string{"VCAP_APPLICATION": "{}"}, "Cloud Foundry", 8 * time.Second},
		{"Render", map[string]string{"RENDER": "true"}, "Render", 25 * time.Second},
		{"Railway", map[string]string{"RAILWAY_REPLICA_ID": "1"}, "Railway", 0},
		{"Railway with time", map[string]string{"RAILWAY_REPLICA_ID": "1", "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "20"}, "Railway", 18 * time.Second},
		{"Railway with too little", map[string]string{"RAILWAY_REPLICA_ID": "1", "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "1"}, "Railway", 0},
		{"Clever Cloud", map[string]string{"INSTANCE_ID": "x", "INSTANCE_NUMBER": "0"}, "Clever Cloud", 25 * time.Second},
		{"an empty mark is none", map[string]string{"DYNO": ""}, "", 4 * time.Second},
	} {
		got := detectPlatform(from(tc.env))
		if got.name != tc.want || got.drain != tc.drain {
			t.Errorf("%s: %q with a drain of %v, want %q with %v", tc.name, got.name, got.drain, tc.want, tc.drain)
		}
	}
}

func TestInstance(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "host"},
		{map[string]string{"DYNO": "calculator.2", "PS": "x"}, "calculator.2"},
		{map[string]string{"CONTAINER": "calculator-1"}, "calculator-1"},
		{map[string]string{"PS": "web#1"}, "web.1"},
		{map[string]string{"CF_INSTANCE_INDEX": "3"}, "calculator.3"},
		{map[string]string{"PS": "a b\n{c}:d"}, "a-b--c--d"},
		{map[string]string{"PS": strings.Repeat("é", 50)}, strings.Repeat("-", 50)},
		{map[string]string{"PS": strings.Repeat("x", 100)}, strings.Repeat("x", 64)},
	} {
		if got := instance("calculator", from(tc.env), "host"); got != tc.want {
			t.Errorf("instance in %v = %q, want %q", tc.env, got, tc.want)
		}
	}
}

func from(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}
