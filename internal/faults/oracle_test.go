package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
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
			w := newWorld(t.Context(), b, newReport(scenario{name: "oracle"}, wires()[0], 1))
			redis := dialed(t, server)
			w.broker = redis
			w.ledger = newLedger(t.TempDir() + "/ledger")
			writeLedger(t, w.ledger.path, tt.ledger)
			if err := redis.client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if tt.dead {
				redis.client.LPush(t.Context(), of("dead"), "Id: 1\n\n"+`{"jsonrpc":"2.0","method":"work","params":{"id":"x"}}`)
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
	w := newWorld(t.Context(), &bench{dir: t.TempDir(), seed: 1}, newReport(scenario{name: "oracle"}, wires()[0], 1))
	redis := dialed(t, server)
	w.broker = redis
	w.ledger = newLedger(t.TempDir() + "/ledger")
	ctx, c := t.Context(), redis.client
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

// So is what RabbitMQ has, in whatever queue, delivered or not; and a queue that would
// stay for ever.
func TestOracleFindsWhatRabbitMQHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t.Context(), &bench{dir: t.TempDir(), seed: 1}, newReport(scenario{name: "oracle"}, wires()[1], 1))
	w.ledger = newLedger(t.TempDir() + "/ledger")
	b := w.useRabbit(&rabbitBroker{host: host{TB: t, world: w}, url: brokertest.Vhost(t)})
	conn, err := amqp.Dial(b.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{service, service + ".suspects", service + ".alone", deadQueue, service + ".delay.1000", replyPrefix + "x", "stray"} {
		if _, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
			t.Fatal(err)
		}
		body := `{"jsonrpc":"2.0","method":"work","params":{"id":"` + queue + `"}}`
		if err := ch.PublishWithContext(t.Context(), "", queue, false, false, amqp.Publishing{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ch.Consume(service+".alone", "", false, false, false, false, nil); err != nil { // and does not acknowledge
		t.Fatal(err)
	}
	const want = 6 // all but the dead letter
	if !w.until(20*time.Second, func() bool { return len(b.holding()) == want }) {
		t.Fatalf("holds %v, want %d messages", b.holding(), want)
	}
	if got := (&traffic{world: w}).judge(); got.stranded != want {
		t.Errorf("found %d of %d stranded messages: %v", got.stranded, want, got.missing)
	}
	if dead := w.deadIDs(); len(dead) != 1 || !dead[deadQueue] {
		t.Errorf("found the dead letters %v, want that in %s", dead, deadQueue)
	}
	if left := b.leftovers(); len(left) != 2 {
		t.Errorf("found %v to stay for ever, want the reply queue without an expiry and the stray one", left)
	}
	if found := b.replies(); found.most != 1 || found.eternal != 1 {
		t.Errorf("found %+v, want one reply in one queue that stays", found)
	}
	if b.misfits(0) != "" || b.misfits(1) == "" {
		t.Errorf("nobody consumes, and of 0 workers it says %q, of one %q", b.misfits(0), b.misfits(1))
	}
}

// Without a broker a worker takes along what it had accepted, and nothing else.
func TestOracleKnowsWhatDiedWithItsWorker(t *testing.T) {
	t.Parallel()
	died := time.Now()
	for name, tt := range map[string]struct {
		sent   time.Time
		ledger string
		held   []string
		lost   int
	}{
		"begun there":          {died.Add(-5 * time.Second), "START", []string{"x"}, 0},
		"begun elsewhere":      {died.Add(-5 * time.Second), "START", nil, 1},
		"accepted just before": {died.Add(-500 * time.Millisecond), "", nil, 0},
		"accepted long before": {died.Add(-5 * time.Second), "", nil, 1},
		"accepted afterwards":  {died.Add(time.Second), "", nil, 1},
		"begun and given up":   {died.Add(time.Second), "START STOP", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t.Context(), &bench{dir: t.TempDir(), seed: 1}, newReport(scenario{name: "oracle"}, wires()[2], 1))
			w.startFront()
			t.Cleanup(w.clean)
			w.ledger = newLedger(t.TempDir() + "/ledger")
			writeLedger(t, w.ledger.path, tt.ledger)
			j := &job{id: "x", kind: notify, sent: tt.sent, back: died.Add(2 * time.Second)}
			got := (&traffic{world: w, jobs: []*job{j}, deaths: []death{{pid: 7, at: died, held: tt.held}}}).judge()
			if got.lost != tt.lost || got.gone != 1-tt.lost {
				t.Errorf("lost %d, died with its worker %d, want %d and %d", got.lost, got.gone, tt.lost, 1-tt.lost)
			}
		})
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
func dialed(t *testing.T, server *brokertest.Server) *redisBroker {
	t.Helper()
	o, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return &redisBroker{server: server, client: client}
}
