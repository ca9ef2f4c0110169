package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
)

// graveyard has four dead letters of one service and none of another. a and d
// share a key, b has one of its own, and c's is its id.
func graveyard() *fakeBroker {
	at := time.Date(2990, 1, 2, 3, 4, 5, 0, time.UTC)
	letter := func(id, method, body, reason string) transports.DeadLetter {
		return transports.DeadLetter{ID: id, Message: transports.Message{ID: id, Method: method, Body: []byte(body)}, Buried: at, Reason: reason}
	}
	first := letter("a", "charge", `{"jsonrpc":"2.0","method":"charge","params":["secret\u0000\u009b"]}`, "no luck\x1b[31m")
	first.Message.Failures, first.Deaths = 2, 1
	first.Message.Key = "order-1"
	first.Message.Enqueued = at.Add(-time.Hour)
	first.Message.Header = map[string]string{"principal": "ada", "traceparent": "00-1", "x-request-id": "r1"}
	first.Message.History = []transports.Attempt{
		{At: at.Add(-time.Second), Died: true, Worker: "orders.1"},
		{At: at.Add(-2 * time.Second), Died: true, Worker: "orders.2", Error: "charge does not return\x1b"},
		{At: at.Add(-time.Minute), Error: "no luck\x1b[31m"},
	}
	nameless := letter("d", "", `{"params":[{"method":"inner"}],"method":"refund"}`, "Connection refused")
	nameless.Buried, nameless.Message.Key = time.Time{}, "order-1"
	batch, second := letter("c", "", `[{"method":"charge"},{"method":"refund"}]`, "workers died"), letter("b", "refund", "no JSON\x1b", "no luck")
	batch.Message.Key, second.Message.Key = "c", "order-\x1b2"
	four := int64(4)
	return &fakeBroker{
		status: []transports.ServiceStatus{{Name: "mail"}, {Name: "orders", Dead: &four}},
		dead: map[string][]transports.DeadLetter{
			"mail":   {},
			"orders": {nameless, batch, second, first},
		},
	}
}

func TestDeadList(t *testing.T) {
	isolate(t, nil)
	s := newSite().with(graveyard().open)
	ids := func(args ...string) string {
		got := s.run(t, append([]string{"dead", "list", "--json"}, args...)...)
		var records []deadRecord
		if err := json.Unmarshal([]byte(got.Stdout), &records); err != nil || got.Code != 0 {
			t.Fatalf("%q: %+v, %v", args, got, err)
		}
		var ids []string
		for _, r := range records {
			ids = append(ids, r.ID)
		}
		return strings.Join(ids, "")
	}
	for _, tc := range []struct {
		want string
		args []string
	}{
		{"dcba", nil},
		{"dcb", []string{"--limit", "3"}},
		{"dcba", []string{"--limit", "0", "orders"}},
		{"ca", []string{"--method", "charge"}},
		{"dcb", []string{"--method", "refund", "orders"}},
		{"", []string{"--method", "inner"}},
		{"ba", []string{"--error", "NO LUCK"}},
		{"d", []string{"--error", "connection R"}},
		{"d", []string{"--method", "refund", "--error", "refused", "--limit", "1"}},
		{"", []string{"mail"}},
		{"da", []string{"--key", "order-1"}},
		{"", []string{"--key", "order"}},
		{"c", []string{"--key", "c", "orders"}},
		{"da", []string{"orders", "--key", "order-1", "--limit=0"}},
	} {
		if got := ids(tc.args...); got != tc.want {
			t.Errorf("%q lists %q, want %q", tc.args, got, tc.want)
		}
	}

	buried := clockTime(time.Date(2990, 1, 2, 3, 4, 5, 0, time.UTC))
	want := result{0, `SERVICE  ID  KEY       BURIED               METHOD              FAILURES  DEATHS  BYTES  ERROR
orders   d   order-1   -                    refund              0         0       49     Connection refused
orders   c   -         ` + buried + `  batch of charge, …  0         0       41     workers died
orders   b   order-·2  ` + buried + `  refund              0         0       8      no luck
orders   a   order-1   ` + buried + `  charge              2         1       67     no luck·[31m
`, ""}
	if d := cmp.Diff(want, s.run(t, "dead", "list")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for last, args := range map[string][]string{
		"orders: 1 more; --limit 0 shows all.\n": {"--limit", "3"},
		"orders: 2 more; --limit 0 shows all.\n": {"orders", "--limit", "1", "--method", "refund"},
		"No dead letters.\n":                     {"mail"},
		"No dead letter is like that.\n":         {"--method", "none"},
	} {
		if got := s.run(t, append([]string{"dead", "list"}, args...)...); got.Code != 0 || !strings.HasSuffix(got.Stdout, last) {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestDeadShow(t *testing.T) {
	isolate(t, nil)
	s := newSite().with(graveyard().open)
	at := time.Date(2990, 1, 2, 3, 4, 5, 0, time.UTC)
	got := s.run(t, "dead", "show", "orders", "a")
	want := `id        a
key       order-1
service   orders
method    charge
request   r1
sent      ` + clockTime(at.Add(-time.Hour)) + ` (0s ago)
buried    ` + clockTime(at) + ` (0s ago)
error     no luck·[31m
failures  2
deaths    1
payload   67 bytes; --payload shows them

Attempts, the last one at the bottom:
` + clockTime(at.Add(-time.Minute)) + `  -         failed: no luck·[31m
` + clockTime(at.Add(-2*time.Second)) + `  orders.2  held up its worker: charge does not return·
` + clockTime(at.Add(-time.Second)) + `  orders.1  its worker died
`
	if d := cmp.Diff(result{0, want, ""}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}

	got = s.run(t, "dead", "show", "--payload", "orders", "a")
	for _, want := range []string{"header    principal: ada\nheader    traceparent: 00-1\n", "payload   67 bytes:\n{\n  \"jsonrpc\": \"2.0\",\n", `"secret\u0000\u009b"`} {
		if !strings.Contains(got.Stdout, want) {
			t.Errorf("no %q in:\n%s", want, got.Stdout)
		}
	}
	got = s.run(t, "dead", "show", "--payload", "orders", "b")
	if !strings.Contains(got.Stdout, "8 bytes:\n\"no JSON\\x1b\"\n\nNothing is known of its attempts.\n") {
		t.Errorf("a payload that is no JSON: %s", got.Stdout)
	}
	if got := s.run(t, "dead", "show", "orders", "--key", "order-\x1b2"); !strings.HasPrefix(got.Stdout, "id        b\nkey       order-·2\n") {
		t.Errorf("by its key: %+v", got)
	}
	if got := s.run(t, "dead", "show", "orders", "c"); !strings.HasPrefix(got.Stdout, "id        c\nkey       -\n") {
		t.Errorf("without a key: %+v", got)
	}
	for id, payload := range map[string]string{"b": `"no JSON\u001b"`, "d": `{"params":[{"method":"inner"}],"method":"refund"}`} {
		var r, bare deadRecord
		if err := json.Unmarshal([]byte(s.run(t, "dead", "show", "--payload", "--json", "orders", id).Stdout), &r); err != nil {
			t.Fatal(err)
		}
		var want, got any
		_ = json.Unmarshal([]byte(payload), &want)
		_ = json.Unmarshal(r.Payload, &got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("payload of %s in JSON (-want +got):\n%s", id, d)
		}
		without := s.run(t, "dead", "show", "--json", "orders", id).Stdout
		if err := json.Unmarshal([]byte(without), &bare); err != nil || bare.Payload != nil || bare.ID != id {
			t.Errorf("without its payload: %s, %v", without, err)
		}
	}
}

// No service hides the letters of the next, and no program is given a part without
// having asked for one.
func TestDeadListIsLong(t *testing.T) {
	isolate(t, nil)
	broker := &fakeBroker{dead: make(map[string][]transports.DeadLetter)}
	for service, n := range map[string]int64{"mail": 50, "orders": 1234, "stock": 51} {
		for i := range n {
			broker.dead[service] = append(broker.dead[service], transports.DeadLetter{ID: fmt.Sprint(i)})
		}
		status := transports.ServiceStatus{Name: service, Dead: &n}
		if service == "stock" {
			status.Dead = nil // a broker that cannot count
		}
		broker.status = append(broker.status, status)
	}
	slices.SortFunc(broker.status, func(a, b transports.ServiceStatus) int { return strings.Compare(a.Name, b.Name) })
	s := newSite().with(broker.open)
	got := s.run(t, "dead", "list")
	if want := "\norders: 1184 more; --limit 0 shows all.\nstock: there are more; --limit 0 shows all.\n"; !strings.HasSuffix(got.Stdout, want) || strings.Count(got.Stdout, "\n") != 1+3*50+2 {
		t.Errorf("it says %s", got.Stdout)
	}
	for want, args := range map[int][]string{
		50 + 1234 + 51: {}, 1234: {"orders"}, 50 + 100 + 51: {"--limit", "100"}, 3: {"--limit", "1"},
	} {
		var records []deadRecord
		got := s.run(t, append([]string{"dead", "list", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(got.Stdout), &records); err != nil || len(records) != want {
			t.Errorf("%q in JSON: %d, %v, want %d", args, len(records), err, want)
		}
	}
}

// Unless it is asked for, nothing of what messages carry is shown.
func TestDeadRedacts(t *testing.T) {
	isolate(t, nil)
	s := newSite().with(graveyard().open)
	for _, args := range [][]string{{"list"}, {"list", "--json"}, {"show", "orders", "a"}, {"show", "--json", "orders", "a"}} {
		got := s.run(t, append([]string{"dead"}, args...)...)
		if got.Code != 0 || strings.Contains(got.Stdout, "secret") || strings.Contains(got.Stdout, "ada") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// What a worker gave up is listed, put back and run, on a transport of ours.
func TestDeadFromEndToEnd(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	tr := s.broker.Open(memory.Options{Catalogue: []string{"tester"}})
	t.Cleanup(func() { tr.Close() })
	mended, ran := make(chan struct{}), make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- tr.Serve(ctx, transports.Service{Name: "tester", Handler: func(context.Context, transports.Message) transports.Outcome {
			select {
			case <-mended:
				ran <- struct{}{}
				return transports.Outcome{}
			default:
				return transports.Outcome{Verdict: transports.Bury, Err: errors.New("no luck")}
			}
		}})
	}()
	defer func() { cancel(); <-served }()
	if err := tr.Send(ctx, "tester", transports.Message{ID: "m1", Key: "order-1", Method: "echo", Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(s.run(t, "dead", "list", "tester").Stdout, "m1"); {
		if time.Now().After(deadline) {
			t.Fatal("no dead letter")
		}
	}
	if got := s.run(t, "dead", "show", "tester", "m1"); !strings.Contains(got.Stdout, "failed: no luck") || !strings.Contains(got.Stdout, "key       order-1\n") {
		t.Errorf("%+v", got)
	}
	close(mended)
	if got := s.run(t, "dead", "retry", "tester", "--key", "order-1"); got.Code != 0 {
		t.Errorf("%+v", got)
	}
	receive(t, ran, "it runs again")
}

// A list may take as long as it takes, while the broker keeps answering.
func TestEachDeadIsPatient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{transport: slowBroker{}}
		s.env.config.Timeout = time.Second
		seen := 0
		err := eachDead(t.Context(), s, "orders", deadFilter{method: "none"}, func(transports.DeadLetter) bool { return true })
		if err != nil {
			t.Error(err)
		}
		err = eachDead(t.Context(), s, "orders", deadFilter{}, func(transports.DeadLetter) bool { seen++; return true })
		if err != nil || seen != 100 {
			t.Errorf("%d were seen, %v", seen, err)
		}
		s.env.config.Timeout = 100 * time.Millisecond
		err = eachDead(t.Context(), s, "orders", deadFilter{}, func(transports.DeadLetter) bool { return true })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a broker that has stopped answering: %v", err)
		}
	})
}

// A slowBroker shows a letter every half second.
type slowBroker struct{ *silentBroker }

func (slowBroker) DeadLetters(ctx context.Context, _ string, visit func(transports.DeadLetter) bool) error {
	for i := range 100 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
			visit(transports.DeadLetter{ID: fmt.Sprint(i)})
		}
	}
	return nil
}

func TestCalledMethods(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`{"jsonrpc":"2.0","method":"add","params":[1]}`:                            {"add"},
		` {"params":{"method":"no"},"id":{"method":"no"},"method":"add"}`:          {"add"},
		`[{"method":"add"},{"params":[[{}]],"method":"subtract","id":1},{"id":2}]`: {"add", "subtract"},
		`{"method":"add", and then nonsense`:                                       {"add"},
		`[{"method":"add"},7,{"method":"no"}]`:                                     {"add"},
		`{"method":7}`:                                                             nil, `{}`: nil, `[]`: nil, ``: nil, `7`: nil, `"method"`: nil, `[[{"method":"no"}]]`: nil, `{"Method":"no"}`: nil, "\xff": nil,
	} {
		if d := cmp.Diff(want, slices.Collect(calledMethods([]byte(body)))); d != "" {
			t.Errorf("%s (-want +got):\n%s", body, d)
		}
		for range calledMethods([]byte(body)) {
			break // no further than it is wanted
		}
	}
}

func TestDeadHelp(t *testing.T) {
	golden := goldenIn(t)
	isolate(t, nil)
	s := newSite()
	for file, ways := range map[string][][]string{
		"help-dead.txt":        {{"dead", "--help"}, {"help", "dead"}, {"dead", "-h"}},
		"help-dead-list.txt":   {{"dead", "list", "--help"}, {"help", "dead", "list"}, {"dead", "list", "orders", "-h"}},
		"help-dead-show.txt":   {{"dead", "show", "--help"}},
		"help-dead-retry.txt":  {{"dead", "retry", "orders", "--all", "--help"}, {"help", "dead", "retry"}},
		"help-dead-delete.txt": {{"help", "dead", "delete"}},
		"help-queues.txt":      {{"help", "queues"}, {"queues", "--help"}},
	} {
		for _, args := range ways {
			got := s.run(t, args...)
			if got.Code != 0 || got.Stderr != "" {
				t.Errorf("%q: exit code %d, stderr %q", args, got.Code, got.Stderr)
			}
			golden(file, got.Stdout)
		}
	}
}
