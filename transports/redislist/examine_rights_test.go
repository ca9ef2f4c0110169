package redislist

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

const permissions = "permissions"

// setUser makes a user of the broker and returns the URL with which it logs in.
func setUser(tb testing.TB, server *brokertest.Server, rules ...any) string {
	tb.Helper()
	args := append([]any{"ACL", "SETUSER", "shop", "on", ">secretsecret"}, rules...)
	if err := redisAt(tb, server.URL).Do(tb.Context(), args...).Err(); err != nil {
		tb.Fatal(err)
	}
	return strings.Replace(server.URL, "redis://", "redis://shop:secretsecret@", 1)
}

func TestExamineRights(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rules []any
		grade transports.Grade
		words []string
	}{
		"all":         {[]any{"~*", "+@all"}, transports.Fine, []string{"User shop may do all"}},
		"of its own":  {[]any{"~shop:*", "~{shop:*", "+@all"}, transports.Fine, nil},
		"queue alone": {[]any{"~shop:*", "+@all"}, transports.Trouble, []string{"may not use the keys {shop:", "ACL SETUSER shop ~shop:* ~{shop:*"}},
		"reading":     {[]any{"~*", "+@all", "-@write"}, transports.Trouble, []string{"blmove", "+lpush"}},
		"no scripts":  {[]any{"~*", "+@all", "-@scripting"}, transports.Trouble, []string{"evalsha, script|load", "+evalsha"}},
		"a little less": {[]any{"~*", "+@all", "-client|unblock"}, transports.Warning, []string{
			"may not use client|unblock: a stopping worker takes 2 s longer", "ACL SETUSER shop +client|unblock",
		}},
		"no repair": {[]any{"~*", "+@all", "-eval"}, transports.Warning, []string{`eval: "queues"`}},
		// Nothing may run that was to be judged alone.
		"no transactions":               {[]any{"~*", "+@all", "-multi", "-acl|dryrun"}, transports.Warning, []string{"cannot be found out", "+multi"}},
		"no transactions, but dry runs": {[]any{"~*", "+@all", "-multi", "-lpush"}, transports.Trouble, []string{"may not use lpush.", "+lpush"}},
		"no transactions, dry keys":     {[]any{"~shop:*", "+@all", "-multi"}, transports.Trouble, []string{"may not use the keys {shop:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := brokertest.Redis(t)
			findings, err := examined(t, Options{URL: setUser(t, server, tc.rules...), Namespace: "shop"}, transports.Plan{})
			if err != nil {
				t.Fatal(err)
			}
			lookFor(t, findings, tc.grade, permissions, tc.words...)
			if keys := redisAt(t, server.URL).Keys(t.Context(), "*").Val(); len(keys) > 0 {
				t.Errorf("a look at permissions left the keys %q", keys)
			}
		})
	}
}

// A proxy that says yes to everything and knows no transactions gets no command that
// would run.
func TestExamineTrustsNoProxy(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard, done := make(map[string]bool), make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for lines := bufio.NewScanner(conn); lines.Scan(); { // a command is *N, and N times $LENGTH and a word
			var words int
			if _, err := fmt.Sscanf(lines.Text(), "*%d", &words); err != nil {
				return
			}
			answer := "+OK\r\n"
			for i := range words {
				if lines.Scan(); lines.Scan() && i == 0 {
					command := strings.ToLower(lines.Text())
					heard[command] = true
					if slices.Contains([]string{"hello", "time", "info", "config", "acl"}, command) {
						answer = "-ERR not here\r\n" // what else it says would be no answer to these
					}
				}
			}
			if _, err := conn.Write([]byte(answer)); err != nil {
				return
			}
		}
	}()
	findings, err := examined(t, Options{URL: "redis://" + l.Addr().String()}, transports.Plan{})
	_ = l.Close()
	<-done
	if heard["lpush"] || heard["set"] || heard["script"] || !heard["multi"] {
		t.Errorf("it was told %v", heard)
	}
	if err != nil {
		t.Error(err)
	}
	lookFor(t, findings, transports.Warning, permissions, "cannot be found out")
}

// What INFO would tell is a finding where it is not permitted, and nothing is made up.
func TestExamineWithoutInfo(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	url := setUser(t, server, "~*", "+@all", "-info", "-config", "-client|list")
	findings, err := examined(t, Options{URL: url}, transports.Plan{Processes: 3})
	if err != nil {
		t.Fatal(err)
	}
	lookFor(t, findings, transports.Warning, "INFO", "NOPERM", "+info")
	lookFor(t, findings, transports.Fine, permissions)
	for _, f := range findings {
		if slices.Contains([]string{"server", "memory", "eviction policy", "persistence", "connections", "replication"}, f.Subject) {
			t.Errorf("found %+v, of which nothing can be known", f)
		}
	}
}

// Who does what the findings say gets a user that can do the work, and little else.
func TestAdviceOnRightsWorks(t *testing.T) {
	t.Parallel()
	for name, namespace := range map[string]string{"without a namespace": "", "with one": "shop"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := brokertest.Redis(t)
			admin := redisAt(t, server.URL)
			url := setUser(t, server, "+multi", "+discard")
			o := Options{URL: url, Namespace: namespace, Catalogue: []string{calculator}}
			for range 5 {
				findings, err := examined(t, Options{URL: url, Namespace: namespace}, transports.Plan{})
				if err != nil {
					t.Fatal(err)
				}
				if !follow(t, admin, findings) {
					break
				}
			}
			work(t, o)
			for _, command := range []string{"flushall", "keys", "config|set", "shutdown"} {
				words := append([]any{"ACL", "DRYRUN", "shop"}, command)
				if said := admin.Do(t.Context(), append(words, "x")...).String(); strings.Contains(said, ": OK") {
					t.Errorf("the user may now also %s: %s", command, said)
				}
			}
		})
	}
}

// follow does what is advised about permissions. It reports whether anything was.
func follow(tb testing.TB, admin *redis.Client, findings []transports.Finding) (advised bool) {
	tb.Helper()
	for _, f := range findings {
		if f.Subject != permissions || f.Grade == transports.Fine {
			continue
		}
		advised = true
		var rule []any
		for word := range strings.FieldsSeq(f.Advice) {
			rule = append(rule, word)
		}
		if err := admin.Do(tb.Context(), rule...).Err(); err != nil {
			tb.Fatalf("%s: %v", f.Advice, err)
		}
	}
	return advised
}

// Each command that processes send, and each that their scripts run, is one of which
// the examination says whether it is permitted.
func TestRightsAreComplete(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	for _, r := range append(newKeys("").rights(""), newKeys("").rights(calculator)...) {
		known[r.command] = true
	}
	files, err := filepath.Glob("lua/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	quoted := regexp.MustCompile(`'([A-Z]{3,})'`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range quoted.FindAllStringSubmatch(string(text), -1) {
			if command := strings.ToLower(word[1]); !known[command] && !slices.Contains([]string{"left", "right", "limit", "maxlen", "withscores"}, command) {
				t.Errorf("%s runs %s, which no right is about", file, command)
			}
		}
	}

	server := brokertest.Redis(t)
	work(t, Options{URL: server.URL, Catalogue: []string{calculator}})
	stats, err := redisAt(t, server.URL).Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	// The library's greeting, which is permitted to everybody or may be refused, and this test's question.
	greeting := []string{"hello", "auth", "select", "client|setname", "client|setinfo", "client|maint_notifications", "info"}
	seen := 0
	for field := range infoFields(stats) {
		command := strings.TrimPrefix(field, "cmdstat_")
		if command == field || slices.Contains(greeting, command) {
			continue
		}
		seen++
		if !known[command] {
			t.Errorf("processes use %s, which no right is about", command)
		}
	}
	if seen < 20 {
		t.Errorf("only %d commands were seen: %s", seen, stats)
	}
}

// work has a service do one of everything.
func work(tb testing.TB, o Options) {
	tb.Helper()
	ctx := tb.Context()
	tr := openQuick(tb, o)
	tb.Cleanup(func() { _ = tr.Close() })
	failed := make(chan struct{}, 8)
	handler := func(ctx context.Context, m transports.Message) transports.Outcome {
		switch outcome := echo(ctx, m); m.Method {
		case "retry":
			if m.Failures == 0 {
				return transports.Outcome{Verdict: transports.Retry, After: time.Millisecond}
			}
			failed <- struct{}{}
			return transports.Outcome{Verdict: transports.Bury, Err: errors.New("no luck")}
		case "once":
			outcome.Keep = time.Minute
			return outcome
		default:
			return outcome
		}
	}
	serving, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- tr.Serve(serving, transports.Service{Name: calculator, Handler: handler, Dedupe: func(m transports.Message) bool { return m.Method == "once" }})
	}()
	for _, m := range []transports.Message{{Method: "a"}, {Method: "once", Key: "k"}, {Method: "once", Key: "k"}} {
		m.Body = []byte("x")
		callCtx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if reply, err := tr.Call(callCtx, calculator, m); err != nil || string(reply) != "x" {
			tb.Fatalf("call of %s: %q, %v", m.Method, reply, err)
		}
	}
	for _, m := range []transports.Message{{Method: "retry"}, {Method: "u", Unique: "u"}, {Method: "d", NotBefore: time.Now().Add(time.Hour)}} {
		if err := tr.Send(ctx, calculator, m); err != nil {
			tb.Fatalf("send %s: %v", m.Method, err)
		}
	}
	select {
	case <-failed:
	case <-time.After(patience):
		tb.Fatal("waited for a job that fails twice")
	}
	eventually(tb, "a dead letter", func() bool {
		list, err := tr.Services(ctx)
		if err != nil {
			tb.Fatalf("services: %v", err)
		}
		return len(list) == 1 && list[0].Dead != nil && *list[0].Dead == 1
	})
	var id string
	if err := tr.DeadLetters(ctx, calculator, func(l transports.DeadLetter) bool { id = l.ID; return true }); err != nil {
		tb.Fatal(err)
	}
	if n, err := tr.RetryDead(ctx, calculator, id); n != 1 || err != nil {
		tb.Errorf("retry of a dead letter: %d, %v", n, err)
	}
	if _, err := tr.Serving(ctx, calculator, "a"); err != nil {
		tb.Error(err)
	}
	for _, set := range []func(context.Context, string) error{tr.Pause, tr.Resume} {
		if err := set(ctx, calculator); err != nil {
			tb.Error(err)
		}
	}
	stop()
	if err := <-done; err != nil {
		tb.Errorf("serve: %v", err)
	}
}
