package redislist

import (
	"log/slog"
	"testing"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// After a failover another broker stands behind the name, perhaps with another
// policy; and a broker that did not tell at first may do so later.
func TestEvictionIsWarnedOfAgain(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	ctx := t.Context()
	set := func(info, policy string) {
		t.Helper()
		if err := client.Do(ctx, "ACL", "SETUSER", "default", info).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.ConfigSet(ctx, "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
	}
	client.ConfigSet(ctx, "maxmemory", "100mb")
	set("-info", "allkeys-lru")
	log := &lines{}
	tr := process(t, Options{URL: server.URL, Log: slog.New(slog.NewTextHandler(log, nil))})
	for _, step := range []struct {
		name, info, policy string
		warnings           int // so far
	}{
		{"not told", "-info", "allkeys-lru", 0},
		{"told", "+info", "allkeys-lru", 1},
		{"told again", "+info", "allkeys-lru", 1},
		{"not told again", "-info", "allkeys-lru", 1},
		{"told after that", "+info", "allkeys-lru", 1},
		{"another policy", "+info", "volatile-lru", 2},
		{"a good one", "+info", "noeviction", 2},
		{"the first policy", "+info", "allkeys-lru", 3},
	} {
		set(step.info, step.policy)
		tr.commands.line.reset() // it greets again, also where it was about to greet
		eventually(t, "a greeting", func() bool { return tr.Ping(ctx) == nil })
		if got := log.with("noeviction"); len(got) != step.warnings {
			t.Errorf("%s: %d warnings so far, want %d: %q", step.name, len(got), step.warnings, got)
		}
	}
}
