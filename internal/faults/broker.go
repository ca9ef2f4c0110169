package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// A broker is a Redis of a scenario's own, and what the bench sees in it.
type broker struct {
	server *brokertest.Server
	client *redis.Client // straight to it, whatever the scenario does to the others' way
	world  *world
}

// host lets a scenario use what is made for tests: all that a broker asks of its
// test is here.
type host struct {
	testing.TB
	world *world
}

func (h host) Helper()                           {}
func (h host) TempDir() string                   { return h.world.tempDir() }
func (h host) Cleanup(do func())                 { h.world.cleanup(do) }
func (h host) Fatal(args ...any)                 { panic(halt{fmt.Sprint(args...)}) }
func (h host) Fatalf(format string, args ...any) { panic(halt{fmt.Sprintf(format, args...)}) }
func (h host) Errorf(format string, args ...any) { h.world.want(false, format, args...) }

func (w *world) tempDir() string {
	dir, err := os.MkdirTemp(w.dir, "redis-")
	w.must(err)
	return dir
}

// startBroker starts the scenario's Redis and has everybody use it.
func (w *world) startBroker(opts ...brokertest.Option) *broker {
	b := &broker{server: brokertest.Redis(host{world: w}, opts...), world: w}
	o, err := redis.ParseURL(b.server.URL)
	w.must(err)
	b.client = redis.NewClient(o)
	w.cleanup(func() { _ = b.client.Close() })
	w.broker, w.url = b, b.server.URL
	return b
}

// instances returns under how many identities each worker serves, by its name.
func (b *broker) instances() map[string]int {
	ctx := context.Background()
	about := b.client.HGetAll(ctx, of("about")).Val()
	count := map[string]int{}
	for _, id := range b.client.ZRange(ctx, of("workers"), 0, -1).Val() {
		var s transports.WorkerStatus
		_ = json.Unmarshal([]byte(about[id]), &s)
		count[s.Instance]++
	}
	return count
}

func of(what string) string { return "{" + service + "}:" + what }

// A place is one key that messages can be in.
type place struct {
	key string
	n   int64
}

// holding returns the lists and sets that hold messages. It looks at all of them in
// one step: a message on its way from one to another would not be seen otherwise.
func (b *broker) holding() (places []place) {
	const look = `local found = {}
local count = {list = 'LLEN', zset = 'ZCARD'}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local command = count[redis.call('TYPE', key).ok]
  found[#found + 1] = command and {key, redis.call(command, key)}
end
return found`
	found, _ := b.client.Eval(context.Background(), look, nil).Slice()
	for _, f := range found {
		pair, _ := f.([]any)
		key, _ := pair[0].(string)
		n, _ := pair[1].(int64)
		if key == service || strings.HasPrefix(key, of("w:")) || strings.HasPrefix(key, "{journeyman}:r:") ||
			slices.Contains([]string{of("suspects"), of("alone"), of("delayed"), of("retry")}, key) {
			places = append(places, place{key, n})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return strings.Compare(a.key, b.key) })
	return places
}

// sample returns a message of a list.
func (b *broker) sample(key string) string {
	return b.client.LIndex(context.Background(), key, 0).Val()
}

// leftovers returns the keys that would stay for ever. A few are meant to: what
// services there are, who served them lately, and dead letters.
func (b *broker) leftovers() (keys []string) {
	ctx := context.Background()
	meant := []string{"journeyman::services", of("former"), of("dead")}
	for _, key := range b.client.Keys(ctx, "*").Val() {
		if !slices.Contains(meant, key) && b.client.PTTL(ctx, key).Val() < 0 {
			keys = append(keys, fmt.Sprintf("%s (%s)", key, b.client.Type(ctx, key).Val()))
		}
	}
	slices.Sort(keys)
	return keys
}

// connections returns how many clients of the app the broker has.
func (b *broker) connections() (n int) {
	for _, count := range b.connected() {
		n += count
	}
	return n
}

// connected returns how many connections each process has, by its name.
func (b *broker) connected() map[string]int {
	count := map[string]int{}
	for line := range strings.Lines(b.client.ClientList(context.Background()).Val()) {
		if _, rest, ok := strings.Cut(line, "name=journeyman:"); ok {
			name, _, _ := strings.Cut(rest, ":")
			count[name]++
		}
	}
	return count
}

func (b *broker) deadLetters() []string {
	return b.client.LRange(context.Background(), of("dead"), 0, -1).Val()
}

// rejected returns how many connections the broker has turned away.
func (b *broker) rejected() int {
	for line := range strings.Lines(b.client.Info(context.Background(), "stats").Val()) {
		if n, ok := strings.CutPrefix(line, "rejected_connections:"); ok {
			count, _ := strconv.Atoi(strings.TrimSpace(n))
			return count
		}
	}
	return 0
}

func maxClients(n int) brokertest.Option { return brokertest.Args("--maxclients", strconv.Itoa(n)) }

func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}
