package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretNeverShows(t *testing.T) {
	t.Parallel()
	const value = "hunter2"
	holder := struct {
		Key  Secret
		Keys []Secret
		At   *Secret
		By   map[string]Secret
	}{value, []Secret{value}, new(Secret(value)), map[string]Secret{"k": value}}

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "one", holder.Key, "all", holder)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "one", holder.Key, "all", holder)
	text, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(holder), fmt.Sprintf("%v %+v %#v %s %q %x", holder, holder, holder, holder.Key, holder.Key, holder.Key),
		string(text), log.String(),
	} {
		if strings.Contains(shown, value) || strings.Contains(shown, fmt.Sprintf("%x", value)) {
			t.Errorf("shown: %s", shown)
		}
	}
	if got := fmt.Sprint(Secret("")); got != "" {
		t.Errorf("no secret prints as %q, want nothing", got)
	}
}

func TestRedactURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"redis://127.0.0.1:6399":                           "redis://127.0.0.1:6399",
		"rediss://u:hunter2@h:6380/1":                      "rediss://u:xxxxx@h:6380/1",
		"redis://:hunter2@h":                               "redis://:xxxxx@h",
		"redis://hunter2@h":                                "redis://xxxxx@h",
		"redis://h/0?password=hunter2":                     "redis://h/0",
		"redis://u:hun/ter2@h":                             "[redacted]",
		"hunter2":                                          "[redacted]",
		"host:6379":                                        "[redacted]",
		"amqp://u:hunter2@a/v,amqp://u:hunter2@b/v":        "amqp://u:xxxxx@a/v,amqp://u:xxxxx@b/v",
		"amqps://u:hunter2@a/v#hunter2, amqp://hunter2@b/": "amqps://u:xxxxx@a/v,amqp://xxxxx@b/",
	} {
		if got := redactURL(raw); got != want {
			t.Errorf("redactURL(%q) = %q, want %q", raw, got, want)
		}
	}
}
