package redislist

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// examined opens a transport, without a name to announce, and has it look at its broker.
func examined(tb testing.TB, o Options, plan transports.Plan) ([]transports.Finding, error) {
	tb.Helper()
	tr := openQuick(tb, o)
	tb.Cleanup(func() { _ = tr.Close() })
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	if len(plan.Services) == 0 {
		plan.Services = []string{calculator}
	}
	return tr.Examine(ctx, plan)
}

// lookFor fails the test unless there is a finding with that subject and grade, in
// which the words stand.
func lookFor(tb testing.TB, findings []transports.Finding, grade transports.Grade, subject string, words ...string) {
	tb.Helper()
	for _, f := range findings {
		fits := f.Subject == subject && f.Grade == grade
		for _, word := range words {
			fits = fits && strings.Contains(f.Found+f.Advice, word)
		}
		if fits && (f.Advice == "") != (grade == transports.Fine) {
			tb.Errorf("%s has the advice %q", subject, f.Advice)
		}
		if fits {
			return
		}
	}
	tb.Errorf("found no %s of grade %s with %q, but:\n%s", subject, grade, words, told(findings))
}

func told(findings []transports.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s\t%s\t%s -> %s\n", f.Grade, f.Subject, f.Found, f.Advice)
	}
	return b.String()
}

// On a broker as it should be there is nothing to complain of, and looking leaves no trace.
func TestExamineChangesNothing(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t, brokertest.AOF(), brokertest.Password("hunter2hunter2"), brokertest.Args("--maxmemory", "1gb"))
	client := redisAt(t, server.URL)
	ctx := t.Context()
	client.LPush(ctx, calculator, `{"jsonrpc":"2.0","method":"a"}`, `{"jsonrpc":"2.0","method":"b"}`)
	client.Set(ctx, "somebodys", "a", time.Hour)
	state := func() map[string]string {
		state := map[string]string{"scripts": infoFields(client.Info(ctx, "memory").Val())["number_of_cached_scripts"]}
		for _, key := range client.Keys(ctx, "*").Val() {
			state[key] = client.Dump(ctx, key).Val()
		}
		return state
	}
	before := state()
	findings, err := examined(t, Options{URL: server.URL}, transports.Plan{Services: []string{calculator, "statistics"}, Processes: 3})
	if err != nil {
		t.Fatal(err)
	}
	subjects := make(map[string]bool)
	for _, f := range findings {
		if f.Subject != "distance" && (f.Grade != transports.Fine || f.Advice != "") || f.Found == "" {
			t.Errorf("found %+v", f)
		}
		subjects[f.Subject] = true
	}
	for _, want := range []string{"security", "distance", "clock", "server", "eviction policy", "memory", "persistence", "connections", "permissions", "keys"} {
		if !subjects[want] {
			t.Errorf("nothing is said of %s", want)
		}
	}
	if d := cmp.Diff(before, state()); d != "" {
		t.Errorf("the examination left traces (-before +after):\n%s", d)
	}
	if strings.Contains(told(findings), "hunter2") {
		t.Errorf("the findings show the password:\n%s", told(findings))
	}
}

func TestExamineFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	type want struct {
		grade   transports.Grade
		subject string
		words   []string
	}
	do := func(args ...any) func(testing.TB, *redis.Client) {
		return func(tb testing.TB, client *redis.Client) {
			if err := client.Do(tb.Context(), args...).Err(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		args    []string // of redis-server
		prepare func(testing.TB, *redis.Client)
		plan    transports.Plan
		want    []want
	}{
		"queues are evicted": {args: []string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, want: []want{
			{transports.Trouble, "eviction policy", []string{"allkeys-lru", "100.0 MiB", "noeviction"}}, {transports.Fine, "memory", []string{"100.0 MiB"}},
		}},
		"replies are evicted": {args: []string{"--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"}, want: []want{
			{transports.Warning, "eviction policy", []string{"volatile-ttl", "noeviction"}},
		}},
		"a policy without a limit": {args: []string{"--maxmemory-policy", "allkeys-lru"}, want: []want{
			{transports.Fine, "eviction policy", []string{"allkeys-lru", "without a limit"}}, {transports.Fine, "memory", nil},
		}},
		"full": {prepare: do("CONFIG", "SET", "maxmemory", "1"), want: []want{{transports.Trouble, "memory", []string{"full", "of 1 B"}}, {transports.Fine, "permissions", nil}}},
		"nearly full": {prepare: func(tb testing.TB, client *redis.Client) {
			client.Set(tb.Context(), "somebodys", strings.Repeat("x", 30<<20), 0) // or a connection would make a difference
			used := infoFields(client.Info(tb.Context(), "memory").Val())["used_memory"]
			var n int
			if _, err := fmt.Sscan(used, &n); err != nil {
				tb.Fatal(err)
			}
			do("CONFIG", "SET", "maxmemory", n*110/100)(tb, client)
		}, want: []want{{transports.Warning, "memory", []string{"filling up"}}}},
		"nothing is stored":   {want: []want{{transports.Warning, "persistence", []string{"stores nothing", "appendonly"}}}},
		"snapshots alone":     {args: []string{"--save", "3600 1"}, want: []want{{transports.Warning, "persistence", []string{"snapshots alone", " UTC"}}}},
		"stored each second":  {args: []string{"--appendonly", "yes"}, want: []want{{transports.Fine, "persistence", []string{"each second"}}}},
		"the disk is broken":  {prepare: breakDisk, want: []want{{transports.Trouble, "persistence", []string{"disk"}}}},
		"too few connections": {args: []string{"--maxclients", "20"}, plan: transports.Plan{Processes: 11}, want: []want{{transports.Trouble, "connections", []string{"of 20 in use", "22 to 33", "does not fit"}}}},
		"too few in a deploy": {args: []string{"--maxclients", "20"}, plan: transports.Plan{Processes: 4}, want: []want{{transports.Warning, "connections", []string{"8 to 12", "up to 24"}}}},
		"enough of them":      {args: []string{"--maxclients", "20"}, plan: transports.Plan{Processes: 3}, want: []want{{transports.Fine, "connections", []string{"3 processes", "6 to 9"}}}},
		"others take them":    {args: []string{"--maxclients", "20"}, prepare: crowd(14), plan: transports.Plan{Processes: 1}, want: []want{{transports.Warning, "connections", []string{"by other programs", "the process of the plan"}}}},
		"others, no plan":     {args: []string{"--maxclients", "20"}, prepare: crowd(15), want: []want{{transports.Warning, "connections", []string{"few are left"}}}},
		"turned away": {args: []string{"--maxclients", "3"}, prepare: func(tb testing.TB, client *redis.Client) {
			crowd(4)(tb, client)
			do("CONFIG", "SET", "maxclients", "1000")(tb, client)
		}, want: []want{{transports.Warning, "connections", []string{"turned", "away"}}}},
		"closes idle ones": {args: []string{"--timeout", "20"}, want: []want{{transports.Warning, "idle timeout", []string{"20 s", "every 30 s"}}}},
		"small values":     {args: []string{"--proto-max-bulk-len", "1048576"}, want: []want{{transports.Trouble, "message size", []string{"1.0 MiB", "8.0 MiB"}}}},
		"a replica":        {prepare: do("REPLICAOF", "127.0.0.1", "1"), want: []want{{transports.Trouble, "replication", []string{"127.0.0.1:1", "primary"}}}},
		"replicas missing": {args: []string{"--min-replicas-to-write", "2"}, want: []want{{transports.Trouble, "replication", []string{"0 of the 2 replicas"}}}},
		"a cluster":        {args: []string{"--cluster-enabled", "yes"}, want: []want{{transports.Trouble, "server", []string{"Cluster", "single Redis"}}}},
		"keys are taken": {prepare: func(tb testing.TB, client *redis.Client) {
			client.HSet(tb.Context(), calculator, "a", "1")
			client.Set(tb.Context(), "{calculator}:retry", "a", 0)
		}, want: []want{{transports.Trouble, "keys", []string{"calculator is a hash and should be a list, {calculator}:retry is a string", "JOURNEYMAN_NAMESPACE"}}}},
		"a command is missing": {args: []string{"--rename-command", "BLMOVE", ""}, want: []want{{transports.Trouble, "permissions", []string{"does not know blmove"}}}},
		"CONFIG is missing": {args: []string{"--rename-command", "CONFIG", "", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu", "--maxclients", "20"}, plan: transports.Plan{Processes: 11}, want: []want{
			{transports.Trouble, "eviction policy", []string{"allkeys-lfu"}}, {transports.Trouble, "connections", []string{"of 20 in use"}},
			{transports.Warning, "persistence", []string{"no append-only file", "last snapshot"}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := brokertest.Redis(t, brokertest.Args(tc.args...))
			if tc.prepare != nil {
				tc.prepare(t, redisAt(t, server.URL))
			}
			findings, err := examined(t, Options{URL: server.URL}, tc.plan)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range tc.want {
				lookFor(t, findings, w.grade, w.subject, w.words...)
			}
			if last := findings[len(findings)-1]; tc.want[0].subject == "server" && last.Subject != "server" {
				t.Errorf("with a broker that is of no use it goes on to find %+v", last)
			}
			for _, f := range findings {
				if f.Grade == transports.Trouble && tc.want[0].grade != transports.Trouble {
					t.Errorf("found trouble where there is none: %+v", f)
				}
			}
		})
	}
}

// breakDisk has a snapshot go wrong.
func breakDisk(tb testing.TB, client *redis.Client) {
	ctx := tb.Context()
	dir := client.ConfigGet(ctx, "dir").Val()["dir"]
	if err := os.MkdirAll(filepath.Join(dir, "dump.rdb"), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := client.BgSave(ctx).Err(); err != nil {
		tb.Fatal(err)
	}
	eventually(tb, "a snapshot that goes wrong", func() bool {
		return infoFields(client.Info(ctx, "persistence").Val())["rdb_last_bgsave_status"] == "err"
	})
}

// crowd has n other programs connected until the test ends, as far as the broker lets them.
func crowd(n int) func(testing.TB, *redis.Client) {
	return func(tb testing.TB, client *redis.Client) {
		client.Ping(tb.Context())
		for range n {
			conn, err := net.Dial("tcp", client.Options().Addr)
			if err != nil {
				tb.Fatal(err)
			}
			tb.Cleanup(func() { _ = conn.Close() })
			_, _ = conn.Write([]byte("PING\r\n"))
			_, _ = conn.Read(make([]byte, 100)) // it is counted from now on, or was turned away
		}
	}
}

// What no broker of a test's own can be brought to do.
func TestExamineJudges(t *testing.T) {
	t.Parallel()
	with := func(fields map[string]string, look func(*examination)) []transports.Finding {
		e := &examination{Transport: &Transport{options: Options{MaxMessage: DefaultMaxMessage}, timing: defaultTiming()}, info: fields}
		look(e)
		return e.findings
	}
	server := func(e *examination) { _ = e.server() }
	lookFor(t, with(map[string]string{"redis_version": "6.0.16"}, server), transports.Trouble, "server", "Redis 6.0.16", "6.2 or newer")
	lookFor(t, with(map[string]string{"redis_version": "7.2.4", "valkey_version": "8.0.1"}, server), transports.Fine, "server", "Valkey 8.0.1")
	lookFor(t, with(map[string]string{"redis_version": "7.2.4", "redis_mode": "sentinel"}, server), transports.Trouble, "server", "Sentinel")
	far := func(round time.Duration) func(*examination) { return func(e *examination) { e.far(round) } }
	lookFor(t, with(nil, far(1234*time.Microsecond)), transports.Fine, "distance", "1.23ms")
	lookFor(t, with(nil, far(123*time.Millisecond)), transports.Warning, "distance", "123ms", "region")
	clocks := func(ahead time.Duration) func(*examination) {
		return func(e *examination) { e.clocks(ahead, time.Second) }
	}
	lookFor(t, with(nil, clocks(2500*time.Millisecond)), transports.Fine, "clock")
	lookFor(t, with(nil, clocks(-2500*time.Millisecond)), transports.Fine, "clock")
	lookFor(t, with(nil, clocks(time.Minute)), transports.Warning, "clock", "1m0s ahead")
	lookFor(t, with(nil, clocks(-time.Minute)), transports.Warning, "clock", "1m0s behind")
	replicated := map[string]string{"aof_enabled": "0", "connected_slaves": "1", "rdb_last_save_time": "0"}
	lookFor(t, with(replicated, func(e *examination) { _ = e.persistence() }), transports.Fine, "persistence", "1 replica holds a copy")
	for address, near := range map[string]bool{
		"127.0.0.1:1": true, "10.1.2.3:1": true, "[::1]:1": true, "[fd00::1]:1": true, "100.100.0.1:1": true, "8.8.8.8:1": false, "[2600::1]:1": false, "100.128.0.1:1": false,
	} {
		tcp, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if isNear(tcp) != near {
			t.Errorf("isNear(%s) = %t", address, !near)
		}
	}
}
