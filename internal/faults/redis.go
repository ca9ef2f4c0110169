package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// A redisBroker is a Redis of a scenario's own, and what the bench sees in it.
type redisBroker struct {
	server *brokertest.Server
	client *redis.Client // straight to it, whatever the scenario does to the others' way
	world  *world
}

// startRedis starts the scenario's Redis and has everybody use it.
func (w *world) startRedis(opts ...brokertest.Option) *redisBroker {
	b := &redisBroker{server: brokertest.Redis(host{world: w}, opts...), world: w}
	o, err := redis.ParseURL(b.server.URL)
	w.must(err)
	b.client = redis.NewClient(o)
	w.cleanup(func() { _ = b.client.Close() })
	w.broker, w.url = b, b.server.URL
	return b
}

func (b *redisBroker) addr() string           { return b.server.Addr }
func (b *redisBroker) pid() int               { return b.server.Pid() }
func (b *redisBroker) pause()                 { b.server.Pause() }
func (b *redisBroker) resume()                { b.server.Resume() }
func (b *redisBroker) revive()                { b.server.Restart() }
func (b *redisBroker) serving(p *worker) bool { return b.instances()[p.name] > 0 }
func (b *redisBroker) end(s syscall.Signal) error {
	return syscall.Kill(b.server.Pid(), s)
}

// misfits: a backup list is a worker's own, so it cannot be attached twice.
func (b *redisBroker) misfits(int) string { return "" }

// replies looks at the lists of callers, which expire within 3 minutes.
func (b *redisBroker) replies() (found replies) {
	found.may = 64
	ctx := context.Background()
	for _, key := range b.client.Keys(ctx, "*").Val() {
		if strings.HasPrefix(key, "{journeyman}:r:") {
			found.most = max(found.most, int(b.client.LLen(ctx, key).Val()))
			if ttl := b.client.PTTL(ctx, key).Val(); ttl <= 0 || ttl > 3*time.Minute {
				found.eternal++
			}
		}
	}
	return found
}

func (b *redisBroker) waiting() int {
	return int(b.client.LLen(context.Background(), service).Val())
}

// instances returns under how many identities each worker serves, by its name.
func (b *redisBroker) instances() map[string]int {
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

// holding returns the lists and sets that hold messages. It looks at all of them in
// one step: a message on its way from one to another would not be seen otherwise.
func (b *redisBroker) holding() (places []place) {
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
func (b *redisBroker) sample(key string) string {
	return b.client.LIndex(context.Background(), key, 0).Val()
}

// leftovers returns the keys that would stay for ever. A few are meant to: what
// services there are, who served them lately, and dead letters.
func (b *redisBroker) leftovers() (keys []string) {
	ctx := context.Background()
	meant := []string{"journeyman::services", of("former"), of("dead")}
	for _, key := range b.client.Keys(ctx, "*").Val() {
		if !slices.Contains(meant, key) && !strings.HasPrefix(key, "precious-") && b.client.PTTL(ctx, key).Val() < 0 {
			keys = append(keys, fmt.Sprintf("%s (%s)", key, b.client.Type(ctx, key).Val()))
		}
	}
	slices.Sort(keys)
	return keys
}

// connections returns how many clients of the app the broker has.
func (b *redisBroker) connections() (n int) {
	for _, count := range b.connected() {
		n += count
	}
	return n
}

// connected returns how many connections each process has, by its name.
func (b *redisBroker) connected() map[string]int {
	count := map[string]int{}
	for line := range strings.Lines(b.client.ClientList(context.Background()).Val()) {
		if _, rest, ok := strings.Cut(line, "name=journeyman:"); ok {
			name, _, _ := strings.Cut(rest, ":")
			count[name]++
		}
	}
	return count
}

// deadLetters returns the bodies of the dead letters.
func (b *redisBroker) deadLetters() (bodies []string) {
	for _, raw := range b.client.LRange(context.Background(), of("dead"), 0, -1).Val() {
		_, body, _ := strings.Cut(raw, "\n\n")
		bodies = append(bodies, body)
	}
	return bodies
}

// rejected returns how many connections the broker has turned away.
func (b *redisBroker) rejected() int {
	for line := range strings.Lines(b.client.Info(context.Background(), "stats").Val()) {
		if n, ok := strings.CutPrefix(line, "rejected_connections:"); ok {
			count, _ := strconv.Atoi(strings.TrimSpace(n))
			return count
		}
	}
	return 0
}

func maxClients(n int) brokertest.Option { return brokertest.Args("--maxclients", strconv.Itoa(n)) }
