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

// Nothing that a script has done is rolled back: what access control refuses in the
// middle must leave the queue as it was.
func TestTakeRefused(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	admin := redisAt(t, server.URL)
	ctx := t.Context()
	waiting := []string{"d", "c", "b", "a"}
	if err := admin.RPush(ctx, takeKeys()[0], "d", "c", "b", "a").Err(); err != nil {
		t.Fatal(err)
	}
	for _, denied := range []string{"-lpush", "-ltrim", "-lrange"} {
		url := setUser(t, server, "~*", "+@all", denied)
		if taken, err := take(t, url, 3, maxExchange); err == nil || !strings.Contains(err.Error(), "can't run") {
			t.Errorf("%s: took %q, error %v, want a refusal", denied, taken, err)
		}
		if diff := cmp.Diff(waiting, admin.LRange(ctx, takeKeys()[0], 0, -1).Val()); diff != "" {
			t.Errorf("%s: the queue (-want +got):\n%s", denied, diff)
		}
		if left := admin.LRange(ctx, takeKeys()[1], 0, -1).Val(); len(left) > 0 {
			t.Errorf("%s: the backup list holds %q", denied, left)
		}
	}
	taken, err := take(t, server.URL, 3, maxExchange)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, taken); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"c", "b", "a"}, admin.LRange(ctx, takeKeys()[1], 0, -1).Val()); diff != "" {
		t.Errorf("the backup list (-want +got):\n%s", diff)
	}
}

// However small the messages before them were, large ones are taken a few at a time: in
// one script, dozens of them would keep Redis from its other clients for seconds.
func TestTakeCountsBytes(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	admin := redisAt(t, server.URL)
	ctx := t.Context()
	for _, test := range []struct{ size, limit, want int }{
		{size: 1000, limit: 100, want: 1}, // whatever its size
		{size: 1000, limit: 1000, want: 1},
		{size: 1000, limit: 5000, want: 5},
		{size: 1000, limit: 5500, want: 6},
		{size: 10, limit: 1 << 20, want: 64},
	} {
		admin.FlushAll(ctx)
		for range 100 {
			admin.LPush(ctx, takeKeys()[0], strings.Repeat("x", test.size))
		}
		taken, err := take(t, server.URL, 64, test.limit)
		if err != nil || len(taken) != test.want {
			t.Errorf("%d messages of %d bytes within %d, error %v, want %d", len(taken), test.size, test.limit, err, test.want)
		}
	}
}

func takeKeys() []string { return []string{"calculator", "backup", "workers"} }

func take(tb testing.TB, url string, most, limit int) ([]string, error) {
	tb.Helper()
	client := redisAt(tb, url)
	if err := takeScript.load(tb.Context(), client).Err(); err != nil {
		tb.Fatal(err)
	}
	return takeScript.call(tb.Context(), client, takeKeys(), most, limit).StringSlice()
}
