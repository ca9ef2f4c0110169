package dial_test

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/httprpc"
	"github.com/journeyman-go/journeyman/transports/rabbitmq"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// Opening does not wait for a broker; using it tells that there is none.
func TestOpenRedis(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"redis://127.0.0.1:1", "rediss://127.0.0.1:1", "REDIS://127.0.0.1:1"} {
		link, err := dial.Open(runner.Target{URL: url, Catalogue: []string{"calculator"}, MaxMessage: 1 << 20, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if _, ok := link.Transport.(transports.Inspector); !ok {
			t.Errorf("%s: the transport is no Inspector", url)
		}
		if serving, both := link.Connections(true, false), link.Connections(true, true); serving != 2 || both != 3 {
			t.Errorf("%s: %d connections for serving and %d for both, want 2 and 3", url, serving, both)
		}
		if err := link.Transport.Close(); err != nil {
			t.Errorf("%s: close: %v", url, err)
		}
	}
}

// Every scheme has its transport, and each tells what an operator asks.
func TestOpen(t *testing.T) {
	t.Parallel()
	type about struct {
		URL         string
		Transport   any
		Connections int
	}
	for _, want := range []about{
		{"redis://127.0.0.1:1", (*redislist.Transport)(nil), 3},
		{"amqp://127.0.0.1:1", (*rabbitmq.Transport)(nil), 2},
		{"amqps://u:p@127.0.0.1:1/vhost, AMQP://127.0.0.1:2", (*rabbitmq.Transport)(nil), 2},
		{"http://127.0.0.1:1", (*httprpc.Transport)(nil), 0},
		{"https://{service}.internal/x", (*httprpc.Transport)(nil), 0},
		{"", (*httprpc.Transport)(nil), 0},
	} {
		target := runner.Target{
			URL: want.URL, Services: map[string]string{"calculator": "http://127.0.0.1:1"}, Listen: "127.0.0.1:0",
			Known: []string{"calculator"}, MaxMessage: 1 << 20, Log: slog.New(slog.DiscardHandler),
		}
		if want.URL == "" {
			target.Transport = "http"
		}
		link, err := dial.Open(target)
		if err != nil {
			t.Errorf("%s: %v", want.URL, err)
			continue
		}
		if got := reflect.TypeOf(link.Transport); got != reflect.TypeOf(want.Transport) {
			t.Errorf("%s is spoken by %v, want %T", want.URL, got, want.Transport)
		}
		connections := 0
		if link.Connections != nil {
			connections = link.Connections(true, true)
		}
		if connections != want.Connections {
			t.Errorf("%s takes %d connections, want %d", want.URL, connections, want.Connections)
		}
		if err := link.Transport.Close(); err != nil {
			t.Errorf("%s: close: %v", want.URL, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"kafka://u:hunter2@h":      "kafka:// is not spoken by this build, which speaks amqp, amqps, http, https, redis, rediss",
		"amqp://h,redis://hunter2": "URL 2 of 2",
		"http://u:hunter2@h":       "user or password",
		"hunter2":                  "no URL",
		"":                         "no URL",
	} {
		_, err := dial.Open(runner.Target{URL: url})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) = %v, want %q and no password", url, err, want)
		}
	}
	if _, err := dial.Open(runner.Target{URL: "rediss://h", TLS: "maybe", Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("an unknown TLS setting was accepted")
	}
}
