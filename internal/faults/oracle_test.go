package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// An oracle that finds nothing is worth nothing: each kind of loss is put before it.
func TestOracle(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	now := time.Now()
	due := now.Add(time.Minute)
	right := func(id string) done { return done{ID: id} }
	for name, tt := range map[string]struct {
		job    job
		ledger string // START and END stand for the job's lines
		dead   bool
		want   counts
	}{
		"answered":               {job{kind: call, due: due, back: now, reply: right("x")}, "START END", false, counts{acknowledged: 1, ok: 1}},
		"run by the way":         {job{kind: notify, back: now}, "START END", false, counts{acknowledged: 1, ok: 1}},
		"accepted and never run": {job{kind: notify, back: now}, "", false, counts{acknowledged: 1, lost: 1}},
		"begun and never ended":  {job{kind: notify, back: now}, "START", false, counts{acknowledged: 1, lost: 1}},
		"put away":               {job{kind: notify, back: now}, "START", true, counts{acknowledged: 1, dead: 1}},
		"begun twice":            {job{kind: notify, back: now}, "START STOP START END", false, counts{acknowledged: 1, ok: 1, started: 1}},
		"ended twice":            {job{kind: call, due: due, back: now, reply: right("x")}, "START END START END", false, counts{acknowledged: 1, ok: 1, started: 1, duplicated: 1}},
		"another's answer":       {job{kind: call, due: due, back: now, reply: right("y")}, "START END", false, counts{acknowledged: 1, unexpected: 1}},
		"answered and never run": {job{kind: call, due: due, back: now, reply: right("x")}, "", false, counts{acknowledged: 1, unexpected: 1}},
		"never came back":        {job{kind: call, due: due}, "START END", false, counts{unresolved: 1}},
		"came back too late":     {job{kind: call, due: now.Add(-2 * time.Second), back: now, err: context.DeadlineExceeded}, "", false, counts{unresolved: 1, overrun: 2 * time.Second}},
		"expired":                {job{kind: call, due: now, back: now, err: context.DeadlineExceeded}, "", false, counts{expired: 1}},
		"refused":                {job{kind: notify, back: now, err: fmt.Errorf("notify: %w", transports.ErrBusy)}, "", false, counts{refused: 1}},
		"nobody knows":           {job{kind: notify, back: now, err: transports.ErrUnknownOutcome}, "", false, counts{unknown: 1}},
		"given up":               {job{kind: call, due: due, back: now, err: transports.ErrBuried}, "START", false, counts{acknowledged: 1, dead: 1}},
		"answered with an error": {job{kind: call, due: due, back: now, err: os.ErrInvalid}, "START", false, counts{answered: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{dir: t.TempDir(), seed: 1}
			w := newWorld(t.Context(), b, scenario{name: "oracle"}, newReport(scenario{}, 1))
			w.broker = dialed(t, w, server)
			w.ledger = newLedger(t.TempDir() + "/ledger")
			writeLedger(t, w.ledger.path, tt.ledger)
			if err := w.broker.client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if tt.dead {
				w.broker.client.LPush(t.Context(), of("dead"), "Id: 1\n\n"+`{"jsonrpc":"2.0","method":"work","params":{"id":"x"}}`)
			}
			tt.job.id = "x"
			got := (&traffic{world: w, jobs: []*job{&tt.job}}).judge()
			got.missing, tt.want.attempted = nil, 1
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// What is left in a list of the broker is found, whatever list it is.
func TestOracleFindsWhatIsStranded(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	w := newWorld(t.Context(), &bench{dir: t.TempDir(), seed: 1}, scenario{name: "oracle"}, newReport(scenario{}, 1))
	w.broker = dialed(t, w, server)
	w.ledger = newLedger(t.TempDir() + "/ledger")
	ctx, c := t.Context(), w.broker.client
	for _, list := range []string{service, of("w:some-worker"), of("suspects"), of("alone"), "{journeyman}:r:some-caller"} {
		c.LPush(ctx, list, "message")
	}
	got := (&traffic{world: w}).judge()
	if got.stranded != 5 {
		t.Errorf("found %d of 5 stranded messages: %v", got.stranded, got.missing)
	}
	if keys := w.broker.leftovers(); len(keys) != 5 {
		t.Errorf("found %v, want the five keys without an expiry", keys)
	}
}

func writeLedger(t *testing.T, path, pattern string) {
	t.Helper()
	var text strings.Builder
	for i, word := range strings.Fields(pattern) {
		event := map[string]string{"START": "start", "END": "end", "STOP": "stop"}[word]
		fmt.Fprintf(&text, "%s x 7 %d\n", event, time.Now().UnixMicro()+int64(i))
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dialed is a broker that the test has started.
func dialed(t *testing.T, w *world, server *brokertest.Server) *broker {
	t.Helper()
	o, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return &broker{server: server, client: client, world: w}
}
