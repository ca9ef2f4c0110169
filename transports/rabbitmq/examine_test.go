package rabbitmq

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// graded returns the findings of one grade, as subject: text.
func graded(all []transports.Finding, grade transports.Grade) []string {
	var some []string
	for _, f := range all {
		if f.Grade == grade {
			some = append(some, f.Subject+": "+f.Found)
		}
	}
	return some
}

func examined(t *testing.T, tr *Transport, plan transports.Plan) []transports.Finding {
	t.Helper()
	found, err := tr.Examine(patient(t), plan)
	if err != nil {
		t.Fatalf("Examine: %v", err)
	}
	for _, f := range found {
		if f.Subject == "" || !strings.HasSuffix(f.Found, ".") || strings.HasSuffix(f.Found, "..") || (f.Grade != transports.Fine) != (f.Advice != "") && f.Subject != "connections" {
			t.Errorf("finding %+v: want a sentence, and advice where something is wrong", f)
		}
	}
	return found
}

func subjects(all []transports.Finding) []string {
	var names []string
	for _, f := range all {
		names = append(names, f.Subject)
	}
	return names
}

// A broker that nobody has used yet is fine, and stays as it was.
func TestExamineAnEmptyBroker(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	found := examined(t, opened(t, Options{URLs: []string{url}}), transports.Plan{Services: []string{"calculator"}, Processes: 7})
	want := []string{"server", "security", "heartbeat", "connections", "distance", "exchanges", "queues", "messages"}
	if diff := cmp.Diff(want, subjects(found)); diff != "" {
		t.Errorf("subjects (-want +got):\n%s", diff)
	}
	if wrong := append(graded(found, transports.Warning), graded(found, transports.Trouble)...); len(wrong) > 0 {
		t.Errorf("what is wrong with an empty broker: %q", wrong)
	}
	for subject, says := range map[string]string{
		"server": "RabbitMQ ", "connections": "14, and 28", "exchanges": "not there yet", "queues": "none yet", "security": "stays on this machine",
	} {
		i := find(found, subject)
		if i < 0 || !strings.Contains(found[i].Found, says) {
			t.Errorf("findings do not say %q of %s: %+v", says, subject, found)
		}
	}
	if queues := brokertest.Queues(t, url); len(queues) > 0 {
		t.Errorf("the examination has declared %+v", queues)
	}
	ch := raw(t, url)
	if err := ch.ExchangeDeclarePassive("rpc", amqp.ExchangeHeaders, true, false, false, false, nil); err == nil {
		t.Error("the examination has declared an exchange")
	}
}

func find(all []transports.Finding, subject string) int {
	for i, f := range all {
		if f.Subject == subject {
			return i
		}
	}
	return -1
}

func TestExamineAnAppInUse(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	app := opened(t, Options{URLs: []string{url}, Catalogue: []string{"calculator"}})
	bury(t, app, 1, 10)
	plan := transports.Plan{Services: []string{"calculator", "statistics"}}
	found := examined(t, opened(t, Options{URLs: []string{url}}), plan)
	if wrong := append(graded(found, transports.Warning), graded(found, transports.Trouble)...); len(wrong) > 0 {
		t.Errorf("what is wrong: %q", wrong)
	}
	for _, subject := range []string{"exchanges", "queues"} {
		if i := find(found, subject); i < 0 || !strings.Contains(found[i].Found, "as they should be") {
			t.Errorf("findings do not say that %s are fine: %+v", subject, found)
		}
	}
	// The app's queues have another limit than this one would give them.
	found = examined(t, opened(t, Options{URLs: []string{url}, MaxQueue: 7}), plan)
	warnings := graded(found, transports.Warning)
	if len(warnings) != 1 || !strings.Contains(warnings[0], "queues: Queue calculator was declared with another limit") {
		t.Errorf("warnings %q, want one of the limit", warnings)
	}
}

// What others have put in the way is found, each thing for itself.
func TestExamineAVhostOfOthers(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	ch := raw(t, url)
	for name, args := range map[string]amqp.Table{
		"shop:calculator": {"x-queue-type": "classic"}, "shop:calculator.dead": {"x-queue-type": "quorum", "x-delivery-limit": int64(3)},
		"shop:statistics": {"x-queue-type": "quorum", "x-max-length": int64(DefaultMaxQueue), "x-overflow": "reject-publish", "x-delivery-limit": int64(noLimit)},
	} {
		if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
			t.Fatal(err)
		}
	}
	if err := ch.ExchangeDeclare("shop:rpc", "direct", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	tr := opened(t, Options{URLs: []string{url}, Namespace: "shop", Known: []string{"calculator"}})
	found := examined(t, tr, transports.Plan{Services: []string{"statistics"}})
	troubles, warnings := graded(found, transports.Trouble), graded(found, transports.Warning)
	if len(troubles) != 2 || !strings.Contains(troubles[0], "exchanges: Exchange shop:rpc belongs to another program") ||
		!strings.Contains(troubles[1], "queues: Queue shop:calculator is of another kind") {
		t.Errorf("troubles: %q", troubles)
	}
	all := strings.Join(warnings, "\n")
	for _, says := range []string{
		"Queue shop:calculator.dead gives up messages after", "but current is '3'.",
		"Queue shop:statistics was declared without what this version declares, or otherwise: x-", "x-dead-letter-exchange",
	} {
		if !strings.Contains(all, says) {
			t.Errorf("warnings do not say %q: %q", says, warnings)
		}
	}
	if strings.Contains(all, "limit, which holds") || strings.Contains(all, "shop:calculator ") {
		t.Errorf("warnings say too much: %q", warnings)
	}
	for _, queue := range brokertest.Queues(t, url) {
		if queue.Name == "shop:statistics" && len(queue.Arguments) != 4 {
			t.Errorf("the examination has changed %+v", queue)
		}
	}
}

func TestExamineInNeed(t *testing.T) {
	t.Parallel()
	node := brokertest.RabbitMQ(t, brokertest.User("guest2", "secret", "^nothing$", "^nothing$", ".*"),
		brokertest.User("guest3", "secret", "^rpc", ".*", ".*"))
	app := opened(t, Options{URLs: []string{node.URL}, Catalogue: []string{"calculator"}})
	bury(t, app, 1, 10)
	plan := transports.Plan{Services: []string{"calculator"}}

	// Who may not declare is told so once, and not by the error with which all else fails.
	found := examined(t, opened(t, Options{URLs: []string{node.As("guest2", "secret", "/")}, Namespace: ""}), plan)
	troubles := graded(found, transports.Trouble)
	if len(troubles) != 1 || !strings.Contains(troubles[0], "rights: ") || !strings.Contains(troubles[0], "guest2") {
		t.Errorf("troubles of a user without rights: %q", troubles)
	}
	if i := find(found, "rights"); i >= 0 && !strings.Contains(found[i].Advice, "set_permissions") {
		t.Errorf("advice: %q", found[i].Advice)
	}

	found = examined(t, opened(t, Options{URLs: []string{node.As("guest3", "secret", "/")}}), plan)
	if troubles := graded(found, transports.Trouble); len(troubles) != 1 || !strings.Contains(troubles[0], "queue 'calculator'") {
		t.Errorf("troubles of a user who may declare exchanges alone: %q", troubles)
	}

	// One of two brokers is not there, and a password is wrong.
	found = examined(t, opened(t, Options{URLs: []string{"amqp://guest:guest@127.0.0.1:1/", node.URL}}), plan)
	if warnings := graded(found, transports.Warning); len(warnings) != 1 || !strings.Contains(warnings[0], "Broker 1 of 2") || strings.Contains(warnings[0], "guest") {
		t.Errorf("warnings with a broker that is not there: %q", warnings)
	}
	_, err := opened(t, Options{URLs: []string{node.As("guest2", "wrong", "/")}}).Examine(patient(t), plan)
	if _, ok := errors.AsType[*transports.RefusedError](err); !ok || strings.Contains(err.Error(), "wrong") {
		t.Errorf("examined with a wrong password: %v, want a refusal that does not show it", err)
	}
	_, err = opened(t, Options{URLs: []string{"amqp://guest:guest@127.0.0.1:1/"}}).Examine(patient(t), plan)
	if !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("examined without a broker: %v", err)
	}

	node.Alarm(true)
	found = examined(t, opened(t, Options{URLs: []string{node.URL}}), plan)
	troubles = graded(found, transports.Trouble)
	if len(troubles) != 1 || !strings.Contains(troubles[0], "messages: The broker takes none") || !strings.Contains(troubles[0], "low on") {
		t.Errorf("troubles of a broker without memory: %q", troubles)
	}
	node.Alarm(false)
	found = examined(t, opened(t, Options{URLs: []string{node.URL}}), plan)
	if troubles := graded(found, transports.Trouble); len(troubles) > 0 {
		t.Errorf("troubles when it has memory again: %q", troubles)
	}
	closed := opened(t, Options{URLs: []string{node.URL}})
	_ = closed.Close()
	if _, err := closed.Examine(patient(t), plan); !errors.Is(err, transports.ErrClosed) {
		t.Errorf("examined after Close: %v", err)
	}
}

func TestMajorMinor(t *testing.T) {
	t.Parallel()
	for version, want := range map[string][3]int{
		"3.10.8": {3, 10, 1}, "4.3.0-rc.1": {4, 3, 1}, "4.0": {4, 0, 1}, "": {0, 0, 0}, "4": {4, 0, 0}, "x.y": {0, 0, 0}, "2.8.1": {2, 8, 1},
	} {
		major, minor, ok := majorMinor(version)
		if major != want[0] || minor != want[1] || ok != (want[2] == 1) {
			t.Errorf("%q is %d, %d, %v", version, major, minor, ok)
		}
	}
}
