package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
)

// graveyard has four dead letters of one service and none of another.
func graveyard() *fakeBroker {
	at := time.Date(2990, 1, 2, 3, 4, 5, 0, time.UTC)
	letter := func(id, method, body, reason string) transports.DeadLetter {
		return transports.DeadLetter{ID: id, Message: transports.Message{ID: id, Method: method, Body: []byte(body)}, Buried: at, Reason: reason}
	}
	first := letter("a", "charge", `{"jsonrpc":"2.0","method":"charge","params":["secret\u0000\u009b"]}`, "no luck\x1b[31m")
	first.Message.Failures, first.Deaths = 2, 1
	first.Message.Enqueued = at.Add(-time.Hour)
	first.Message.Header = map[string]string{"principal": "ada", "traceparent": "00-1"}
	first.Message.History = []transports.Attempt{
		{At: at.Add(-time.Second), Died: true, Worker: "orders.1"},
		{At: at.Add(-time.Minute), Error: "no luck\x1b[31m"},
	}
	nameless := letter("d", "", `{"params":[{"method":"inner"}],"method":"refund"}`, "Connection refused")
	nameless.Buried = time.Time{}
	return &fakeBroker{
		status: []transports.ServiceStatus{{Name: "mail"}, {Name: "orders"}},
		dead: map[string][]transports.DeadLetter{
			"mail":   {},
			"orders": {nameless, letter("c", "", `[{"method":"charge"},{"method":"refund"}]`, "workers died"), letter("b", "refund", "no JSON\x1b", "no luck"), first},
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
	} {
		if got := ids(tc.args...); got != tc.want {
			t.Errorf("%q lists %q, want %q", tc.args, got, tc.want)
		}
	}

	buried := clockTime(time.Date(2990, 1, 2, 3, 4, 5, 0, time.UTC))
	want := result{0, `SERVICE  ID  BURIED               METHOD              FAILURES  DEATHS  BYTES  ERROR
orders   d   -                    refund              0         0       49     Connection refused
orders   c   ` + buried + `  batch of charge, …  0         0       41     workers died
orders   b   ` + buried + `  refund              0         0       8      no luck
orders   a   ` + buried + `  charge              2         1       67     no luck·[31m
`, ""}
	if d := cmp.Diff(want, s.run(t, "dead", "list")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for last, args := range map[string][]string{
		"These are 2, and there are more: see --limit, --method and --error.\n": {"--limit", "2"},
		"No dead letters.\n":             {"mail"},
		"No dead letter is like that.\n": {"--method", "none"},
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
service   orders
method    charge
sent      ` + clockTime(at.Add(-time.Hour)) + ` (0s ago)
buried    ` + clockTime(at) + ` (0s ago)
error     no luck·[31m
failures  2
deaths    1
payload   67 bytes; --payload shows them

Attempts, the last one at the bottom:
` + clockTime(at.Add(-time.Minute)) + `  -         failed: no luck·[31m
` + clockTime(at.Add(-time.Second)) + `  orders.1  the worker died while it ran
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

func TestDeadRepair(t *testing.T) {
	isolate(t, nil)
	order := func(verb string) string {
		return "; the order is: app dead " + verb + " [options] SERVICE [ID…]\n"
	}
	for _, tc := range []struct {
		args   []string
		want   result
		queued string // ids that were put back, in their order
		left   string // ids that are still dead
	}{
		{[]string{"retry", "orders", "b", "d"}, result{0, "orders: put back 2 of 2 dead letters.\n", ""}, "bd", "ca"},
		{[]string{"retry", "orders", "x", "b", "y"}, result{3, "orders: put back 1 of 3 dead letters.\n", `app: orders has no dead letter x, y; see "app dead list orders"` + "\n"}, "b", "dca"},
		{[]string{"retry", "--all", "orders"}, result{0, "orders: put back 4 of 4 dead letters.\n", ""}, "abcd", ""},
		{[]string{"retry", "--all", "--method", "refund", "orders"}, result{0, "orders: put back 3 of 3 dead letters.\n", ""}, "bcd", "a"},
		{[]string{"retry", "--all", "--error", "refused", "orders"}, result{0, "orders: put back 1 of 1 dead letter.\n", ""}, "d", "cba"},
		{[]string{"retry", "--all", "mail"}, result{0, "mail: put back 0 of 0 dead letters.\n", ""}, "", "dcba"},
		{[]string{"delete", "orders", "a"}, result{0, "orders: deleted 1 of 1 dead letter.\n", ""}, "", "dcb"},
		{[]string{"delete", "--all", "--yes", "--error", "luck", "orders"}, result{0, "orders: deleted 2 of 2 dead letters.\n", ""}, "", "dc"},
		{[]string{"delete", "--json", "orders", "a", "x"}, result{3, `{
  "service": "orders",
  "done": 1,
  "of": 2,
  "missing": [
    "x"
  ]
}
`, `app: orders has no dead letter x; see "app dead list orders"` + "\n"}, "", "dcb"},

		{[]string{"retry"}, result{2, "", "app: dead retry wants a service" + order("retry")}, "", "dcba"},
		{[]string{"retry", "orders"}, result{2, "", "app: dead retry wants ids, or --all in front of orders" + order("retry")}, "", "dcba"},
		{[]string{"delete", "--yes", "orders"}, result{2, "", "app: dead delete wants ids, or --all in front of orders" + order("delete")}, "", "dcba"},
		{[]string{"delete", "--all", "orders"}, result{2, "", "app: dead delete --all cannot be undone; where nobody can be asked it wants --yes\n"}, "", "dcba"},
		{[]string{"retry", "--all", "orders", "a"}, result{2, "", `app: "a" stands beside --all; want ids or --all` + "\n"}, "", "dcba"},
		{[]string{"retry", "--method", "refund", "orders", "a"}, result{2, "", "app: --method and --error go with --all\n"}, "", "dcba"},
		{[]string{"retry", "orders", "--all"}, result{2, "", "app: flag --all stands behind the arguments, where it would be ignored; the order is: app dead retry [options] SERVICE [ID…] (or put -- before arguments that begin with -)\n"}, "", "dcba"},
		{[]string{"retry", "a:b", "x"}, result{2, "", `app: service name "a:b": want 1 to 24 letters a-z, which every Procfile platform accepts` + "\n"}, "", "dcba"},
		{[]string{"retry", "nobody", "x"}, result{3, "nobody: put back 0 of 1 dead letter.\n", `app: no service named "nobody" was ever started on this broker` + "\n"}, "", "dcba"},
		{[]string{"retry", "--all", "order"}, result{3, "", `app: no service named "order" was ever started on this broker; did you mean "orders"?` + "\n"}, "", "dcba"},
		{[]string{"show", "orders", "x"}, result{3, "", `app: orders has no dead letter "x"; see "app dead list orders"` + "\n"}, "", "dcba"},
		{[]string{"show", "orders"}, result{2, "", "app: dead show wants a service and an id: app dead show SERVICE ID\n"}, "", "dcba"},
		{[]string{"list", "orders", "mail"}, result{2, "", `app: dead list takes one service, and there is "mail" behind it` + "\n"}, "", "dcba"},
		{[]string{"list", "--limit", "-1"}, result{2, "", "app: --limit is -1, want 0 or more\n"}, "", "dcba"},
		{[]string{"list", "nobody"}, result{3, "", `app: no service named "nobody" was ever started on this broker` + "\n"}, "", "dcba"},
		{[]string{}, result{2, "", `app: dead wants one of its commands (list, show, retry, delete); see "app help dead"` + "\n"}, "", "dcba"},
		{[]string{"lits"}, result{2, "", `app: "lits" is no command of dead; did you mean "list"?; see "app help dead"` + "\n"}, "", "dcba"},
		{[]string{"--all"}, result{2, "", "app: flag provided but not defined: -all; the order is: app dead COMMAND [options] [arguments]\n"}, "", "dcba"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			broker := graveyard()
			got := newSite().with(broker.open).run(t, append([]string{"dead"}, tc.args...)...)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if got := strings.Join(broker.queue, ""); got != tc.queued {
				t.Errorf("put back were %q, want %q", got, tc.queued)
			}
			var left []string
			for _, l := range broker.dead["orders"] {
				left = append(left, l.ID)
			}
			if got := strings.Join(left, ""); got != tc.left {
				t.Errorf("%q are still dead, want %q", got, tc.left)
			}
		})
	}
}

// Many go in portions, in the order in which they were sent.
func TestDeadRetryMany(t *testing.T) {
	isolate(t, nil)
	broker := &fakeBroker{dead: map[string][]transports.DeadLetter{"orders": nil}}
	var want []string
	for i := range 1234 {
		id := fmt.Sprint(i)
		broker.dead["orders"] = append([]transports.DeadLetter{{ID: id}}, broker.dead["orders"]...)
		want = append(want, id)
	}
	got := newSite().with(broker.open).run(t, "dead", "retry", "--all", "orders")
	if d := cmp.Diff(result{0, "orders: put back 1234 of 1234 dead letters.\n", ""}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if !slices.Equal(want, broker.queue) {
		t.Error("they were not put back as they were sent")
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
	if err := tr.Send(ctx, "tester", transports.Message{ID: "m1", Method: "echo", Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(s.run(t, "dead", "list", "tester").Stdout, "m1"); {
		if time.Now().After(deadline) {
			t.Fatal("no dead letter")
		}
	}
	if got := s.run(t, "dead", "show", "tester", "m1"); !strings.Contains(got.Stdout, "failed: no luck") {
		t.Errorf("%+v", got)
	}
	close(mended)
	if got := s.run(t, "dead", "retry", "--all", "tester"); got.Code != 0 {
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

func TestConfirm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"y\n": true, "Yes \n": true, "YES": true, "": false, "\n": false, "n\n": false, "yesterday\n": false} {
		asked := newOutput()
		a := &app{sys: System{Stdin: strings.NewReader(text), Stderr: asked}}
		if got, err := a.confirm(t.Context(), "Sure?"); got != want || err != nil {
			t.Errorf("%q means %v, %v, want %v", text, got, err, want)
		}
		if asked.String() != "Sure? [y/N] " {
			t.Errorf("asked %q", asked)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, closing := io.Pipe()
	defer closing.Close()
	a := &app{sys: System{Stdin: silent, Stderr: newOutput()}}
	if got, err := a.confirm(ctx, "Sure?"); got || !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl-C means %v, %v", got, err)
	}
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
