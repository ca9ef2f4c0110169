package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

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
		{[]string{"retry", "orders"}, result{2, "", "app: dead retry wants ids, --key or --all" + order("retry")}, "", "dcba"},
		{[]string{"delete", "--yes", "orders"}, result{2, "", "app: dead delete wants ids, --key or --all" + order("delete")}, "", "dcba"},
		{[]string{"delete", "--all", "orders"}, result{2, "", "app: dead delete --all cannot be undone; where nobody can be asked it wants --yes\n"}, "", "dcba"},
		{[]string{"retry", "--all", "orders", "a"}, result{2, "", `app: "a" stands beside --all or --key; want one of them, or ids` + "\n"}, "", "dcba"},
		{[]string{"retry", "--method", "refund", "orders", "a"}, result{2, "", "app: --method and --error go with --all or --key\n"}, "", "dcba"},
		{[]string{"retry", "orders", "--all"}, result{0, "orders: put back 4 of 4 dead letters.\n", ""}, "abcd", ""},
		{[]string{"retry", "orders", "--key", "order-1"}, result{0, "orders: put back 2 of 2 dead letters.\n", ""}, "ad", "cb"},
		{[]string{"retry", "--key", "order-1", "--method", "refund", "orders"}, result{0, "orders: put back 1 of 1 dead letter.\n", ""}, "d", "cba"},
		{[]string{"retry", "--key", "order", "orders"}, result{3, "", `app: orders has no dead letter with the key "order"; see "app dead list orders"` + "\n"}, "", "dcba"},
		{[]string{"retry", "--key", "", "orders"}, result{2, "", "app: --key is empty\n"}, "", "dcba"},
		{[]string{"retry", "--key", "order-1", "orders", "d"}, result{2, "", `app: "d" stands beside --all or --key; want one of them, or ids` + "\n"}, "", "dcba"},
		{[]string{"retry", "orders", "--all", "--error"}, result{2, "", "app: flag needs an argument: -error; the order is: app dead retry [options] SERVICE [ID…]\n"}, "", "dcba"},
		{[]string{"retry", "orders", "--", "--all"}, result{3, "orders: put back 0 of 1 dead letter.\n", `app: orders has no dead letter --all; see "app dead list orders"` + "\n"}, "", "dcba"},
		{[]string{"delete", "orders", "--key", "order-1"}, result{0, "orders: deleted 2 of 2 dead letters.\n", ""}, "", "cb"},
		{[]string{"retry", "a:b", "x"}, result{2, "", `app: service name "a:b": want 1 to 24 letters a-z, which every Procfile platform accepts` + "\n"}, "", "dcba"},
		{[]string{"retry", "nobody", "x"}, result{3, "nobody: put back 0 of 1 dead letter.\n", `app: no service named "nobody" was ever started on this broker (redis://127.0.0.1:6399, since none is set)` + "\n"}, "", "dcba"},
		{[]string{"retry", "--all", "order"}, result{3, "", `app: no service named "order" was ever started on this broker (redis://127.0.0.1:6399, since none is set); did you mean "orders"?` + "\n"}, "", "dcba"},
		{[]string{"show", "orders", "x"}, result{3, "", `app: orders has no dead letter "x"; see "app dead list orders"` + "\n"}, "", "dcba"},
		{[]string{"show", "orders"}, result{2, "", "app: dead show wants a service and an id, or --key in its place: app dead show SERVICE ID\n"}, "", "dcba"},
		{[]string{"show", "--key", "order-1", "orders", "a"}, result{2, "", "app: dead show wants a service and an id, or --key in its place: app dead show SERVICE ID\n"}, "", "dcba"},
		{[]string{"show", "--key", "x", "orders"}, result{3, "", `app: orders has no dead letter with the key "x"; see "app dead list orders"` + "\n"}, "", "dcba"},
		{[]string{"show", "--key", "order-1", "orders"}, result{3, "", `app: orders has several dead letters with the key "order-1"; choose an id from "app dead list --key KEY orders"` + "\n"}, "", "dcba"},
		{[]string{"list", "orders", "mail"}, result{2, "", `app: dead list takes one service, and there is "mail" behind it` + "\n"}, "", "dcba"},
		{[]string{"list", "--limit", "-1"}, result{2, "", "app: --limit is -1, want 0 or more\n"}, "", "dcba"},
		{[]string{"list", "nobody"}, result{3, "", `app: no service named "nobody" was ever started on this broker (redis://127.0.0.1:6399, since none is set)` + "\n"}, "", "dcba"},
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
