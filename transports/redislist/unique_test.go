package redislist

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// What the broker refuses for good is not asked for again: a slot waits meanwhile.
func TestReleaseIsRefused(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	log := &lines{}
	tr := process(t, Options{URL: server.URL, Log: slog.New(slog.NewTextHandler(log, nil))})
	client.HSet(ctx, tr.keys.unique(calculator, "foreign"), "a", "1")
	for i, tt := range []struct{ key, rule, want string }{
		{"foreign", "+evalsha", "WRONGTYPE"},
		{"forbidden", "-evalsha", "NOPERM"},
	} {
		if err := client.Do(ctx, "ACL", "SETUSER", "default", tt.rule).Err(); err != nil {
			t.Fatal(err)
		}
		err := tr.releaseUnique(ctx, calculator, transports.Message{ID: "a", Unique: tt.key})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("release of %s: %v, want %s", tt.key, err, tt.want)
		}
		if got := log.with("unique key not released"); len(got) != i+1 || !strings.Contains(got[i], tt.want) || !strings.Contains(got[i], "level=WARN") {
			t.Errorf("release of %s: logged %q", tt.key, got)
		}
	}
}

// A broker that refuses the greeting was not asked for the release yet, although it
// says so with an error of its own.
func TestReleaseOutlastsRefusedGreeting(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	ctx := t.Context()
	tr := process(t, Options{URL: server.URL})
	m := transports.Message{ID: "a", Unique: "a"}
	if err := tr.Send(ctx, calculator, m); err != nil {
		t.Fatal(err)
	}
	if err := client.Do(ctx, "ACL", "SETUSER", "default", "-time").Err(); err != nil {
		t.Fatal(err)
	}
	tr.commands.line.reset()
	released := make(chan error, 1)
	go func() { released <- tr.releaseUnique(ctx, calculator, m) }()
	// By the second refusal the release has most likely had its own.
	for range 2 {
		eventually(t, "the broker to refuse the greeting", func() bool {
			err := tr.Ping(ctx)
			return err != nil && strings.Contains(err.Error(), "NOPERM")
		})
	}
	select {
	case err := <-released:
		t.Fatalf("release: %v, want it to outlast the refusal", err)
	default:
	}
	if err := client.Do(ctx, "ACL", "SETUSER", "default", "+time").Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-released; err != nil {
		t.Error(err)
	}
	if n := client.Exists(ctx, tr.keys.unique(calculator, "a")).Val(); n != 0 {
		t.Error("the claim stands")
	}
}
