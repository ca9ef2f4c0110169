package redislist

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

func TestBatchSize(t *testing.T) {
	t.Parallel()
	var b batchSize
	if n := b.most(); n != 1 {
		t.Errorf("%d messages of a size that nobody knows, want 1", n)
	}
	for _, test := range []struct{ size, most int }{{100, maxBatch}, {10_000, 26}, {maxExchange, 1}, {1 << 20, 1}, {0, maxBatch}} {
		b.note(slices.Repeat([]string{strings.Repeat("x", test.size)}, 3))
		b.note(nil) // says nothing
		if n := b.most(); n != test.most {
			t.Errorf("%d messages of %d bytes, want %d", n, test.size, test.most)
		}
	}
}

// Nothing that a script has done is rolled back: what cannot go into the backup list
// goes back into the queue, as it was.
func TestTakeRefused(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	admin := redisAt(t, server.URL)
	ctx := t.Context()
	keys := []string{"calculator", "backup", "workers"}
	if err := admin.RPush(ctx, keys[0], "d", "c", "b", "a").Err(); err != nil {
		t.Fatal(err)
	}
	take := func(url string) ([]string, error) {
		client := redisAt(t, url)
		if err := takeScript.load(ctx, client).Err(); err != nil {
			t.Fatal(err)
		}
		return takeScript.call(ctx, client, keys, 3).StringSlice()
	}
	if taken, err := take(setUser(t, server, "~*", "+@all", "-lpush")); err == nil || !strings.Contains(err.Error(), "can't run") {
		t.Errorf("took %q, error %v, want a refusal", taken, err)
	}
	if diff := cmp.Diff([]string{"d", "c", "b", "a"}, admin.LRange(ctx, keys[0], 0, -1).Val()); diff != "" {
		t.Errorf("the queue after a refusal (-want +got):\n%s", diff)
	}
	taken, err := take(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, taken); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"c", "b", "a"}, admin.LRange(ctx, keys[1], 0, -1).Val()); diff != "" {
		t.Errorf("the backup list (-want +got):\n%s", diff)
	}
}
