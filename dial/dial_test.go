package dial_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/transports"
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

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"amqps://u:hunter2@h": "amqps:// is not spoken by this build, which speaks redis, rediss",
		"http://h":            "http:// is not spoken by this build",
		"hunter2":             "no URL",
		"":                    "no URL",
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
