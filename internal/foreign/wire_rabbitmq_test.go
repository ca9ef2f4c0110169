//go:build unix

package foreign

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// A queueWire is a program that has only the page about RabbitMQ to go by.
type queueWire struct {
	*testing.T
	channel *amqp.Channel
	replies string // a queue of its own
	came    <-chan amqp.Delivery
}

// shop is the namespace.
const shop = "shop:"

func newQueueWire(t *testing.T, connection *amqp.Connection) *queueWire {
	t.Helper()
	channel, err := connection.Channel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { channel.Close() })
	queue, err := channel.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	came, err := channel.Consume(queue.Name, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &queueWire{t, channel, queue.Name, came}
}

func connect(t *testing.T, url string) *amqp.Connection {
	t.Helper()
	connection, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

// send publishes a request that is answered here, unless it says otherwise.
func (w *queueWire) send(exchange, key string, p amqp.Publishing) {
	w.Helper()
	if p.ReplyTo == "" {
		p.ReplyTo = w.replies
	}
	if p.Body == nil {
		p.Body = []byte(add("any"))
	}
	if err := w.channel.PublishWithContext(w.Context(), exchange, key, exchange != "", false, p); err != nil {
		w.Fatal(err)
	}
}

// reply waits for one.
func (w *queueWire) reply() amqp.Delivery {
	w.Helper()
	select {
	case d, ok := <-w.came:
		if !ok {
			w.Fatal("the channel was closed")
		}
		return d
	case <-time.After(patience):
		w.Fatalf("no reply within %v", patience)
	}
	return amqp.Delivery{}
}

// sums tells that the next reply is that of add, to a request with this id.
func (w *queueWire) sums(correlationID string) amqp.Delivery {
	w.Helper()
	d := w.reply()
	if string(d.Body) != sum("any") || d.CorrelationId != correlationID || d.ContentType != "application/json" {
		w.Errorf("reply %q, correlation_id %q, content_type %q; want %q, %q, application/json",
			d.Body, d.CorrelationId, d.ContentType, sum("any"), correlationID)
	}
	return d
}

// nothing tells that what was sent before is not answered: what is taken after it is.
func (w *queueWire) nothing() {
	w.Helper()
	w.send("", shop+"calculator", amqp.Publishing{CorrelationId: "marker"})
	w.sums("marker")
}

func (w *queueWire) count(queue string) int {
	w.Helper()
	q, err := w.channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		w.Fatal(err)
	}
	return q.Messages
}

func TestWireOnRabbitMQ(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	env := []string{"JOURNEYMAN_URL=" + url, "JOURNEYMAN_NAMESPACE=shop", "JOURNEYMAN_CONCURRENCY=1"}
	serve(t, journeyman(t), env...)
	connection := connect(t, url)
	past, future := int64(1000), time.Now().Add(time.Hour).UnixMilli()
	to := func(headers amqp.Table) amqp.Table { // a header destination, and more
		all := amqp.Table{"destination": "calculator"}
		maps.Copy(all, headers)
		return all
	}
	for name, test := range map[string]func(w *queueWire){
		"default exchange": func(w *queueWire) {
			w.send("", shop+"calculator", amqp.Publishing{CorrelationId: "1"})
			w.sums("1")
		},
		"headers exchange": func(w *queueWire) {
			w.send(shop+"rpc", "", amqp.Publishing{CorrelationId: "2", Headers: to(nil)})
			w.sums("2")
			w.send(shop+"rpc", "any key", amqp.Publishing{CorrelationId: "3", Headers: to(amqp.Table{"procedure": "add"})})
			w.sums("3")
		},
		"nobody of that name": func(w *queueWire) {
			returned := w.channel.NotifyReturn(make(chan amqp.Return, 1))
			w.send(shop+"rpc", "", amqp.Publishing{Headers: amqp.Table{"destination": "nonesuch"}})
			select {
			case r := <-returned:
				if r.ReplyCode != 312 {
					w.Errorf("returned with %d %s, want 312", r.ReplyCode, r.ReplyText)
				}
			case <-time.After(patience):
				w.Error("not returned")
			}
		},
		"the message's id where there is no correlation": func(w *queueWire) {
			w.send("", shop+"calculator", amqp.Publishing{MessageId: "4"})
			w.sums("4")
			w.send("", shop+"calculator", amqp.Publishing{})
			w.sums("")
		},
		"replies live a minute longer than requests": func(w *queueWire) {
			w.send("", shop+"calculator", amqp.Publishing{CorrelationId: "5", Expiration: "30000"})
			d := w.sums("5")
			ms, err := strconv.Atoi(d.Expiration)
			if err != nil || ms <= 60_000 || ms > 90_000 || d.DeliveryMode == amqp.Persistent {
				w.Errorf("expiration %q, delivery_mode %d; want 60000 to 90000, and not persistent", d.Expiration, d.DeliveryMode)
			}
		},
		"what has expired is not executed": func(w *queueWire) {
			for _, headers := range []amqp.Table{{"expires": past}, {"expires": "1000"}, {"Expires": past}, {"expires": int32(1000)}} {
				w.send("", shop+"calculator", amqp.Publishing{Headers: headers, Expiration: "600000"})
			}
			w.nothing()
		},
		"what has not is": func(w *queueWire) {
			w.send("", shop+"calculator", amqp.Publishing{CorrelationId: "6", Headers: amqp.Table{"expires": future}})
			w.sums("6")
			w.send("", shop+"calculator", amqp.Publishing{CorrelationId: "7", Headers: amqp.Table{"expires": "soon", "x-odd": []any{"list"}}})
			w.sums("7")
		},
		"queues that are not for replies": func(w *queueWire) {
			for _, queue := range []string{"calculator.dead", "calculator", "calculator.suspects", "statistics"} {
				w.send("", shop+"calculator", amqp.Publishing{ReplyTo: shop + queue, CorrelationId: queue})
			}
			w.nothing()
			for _, queue := range []string{"calculator.dead", "statistics"} {
				if n := w.count(shop + queue); n != 0 {
					w.Errorf("%d messages in %s, want none", n, queue)
				}
			}
		},
		"not before its time": func(w *queueWire) {
			due := time.Now().Add(1500 * time.Millisecond).Truncate(time.Millisecond)
			w.send(shop+"rpc", "", amqp.Publishing{CorrelationId: "8", Headers: to(amqp.Table{"not-before": due.UnixMilli()})})
			w.sums("8")
			if early := time.Until(due); early > 0 {
				w.Errorf("answered %v too early", early)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newQueueWire(t, connection))
		})
	}
}

// documented returns the page's table of queues, for a maximum length of 12345.
func documented() map[string]map[string]any {
	const ample, week = 1 << 30, 604_800_000
	kept := map[string]any{"x-queue-type": "quorum", "x-delivery-limit": ample, "x-consumer-timeout": week}
	requests := map[string]any{
		"x-queue-type": "quorum", "x-max-length": 12345, "x-overflow": "reject-publish", "x-delivery-limit": ample,
		"x-consumer-timeout": week, "x-dead-letter-exchange": shop + "journeyman.dead",
	}
	return map[string]map[string]any{
		"calculator": requests, "calculator.dead": kept, "calculator.suspects": kept, "calculator.alone": kept,
		"calculator.method.multiply": requests, "statistics": requests, "statistics.dead": kept, "reports": requests, "reports.dead": kept,
		"calculator.delay.3600000": {
			"x-queue-type": "quorum", "x-message-ttl": 3_600_000, "x-overflow": "reject-publish",
			"x-dead-letter-exchange": shop + "rpc", "x-dead-letter-routing-key": "", "x-dead-letter-strategy": "at-least-once",
		},
		"journeyman.reply.many.<uuid>": {"x-queue-type": "classic", "x-expires": 300_000},
	}
}

// declared returns the queues of a broker that are not for replies to this test.
func declared(t *testing.T, url string) map[string]map[string]any {
	t.Helper()
	found := make(map[string]map[string]any)
	for _, queue := range brokertest.Queues(t, url) {
		name, ok := strings.CutPrefix(queue.Name, shop)
		if !ok && strings.HasPrefix(queue.Name, "amq.") {
			continue
		}
		if strings.HasPrefix(name, "journeyman.reply.many.") {
			name = "journeyman.reply.many.<uuid>"
		}
		if !queue.Durable {
			t.Errorf("queue %s is not durable", queue.Name)
		}
		for argument, value := range queue.Arguments {
			if number, ok := value.(float64); ok {
				queue.Arguments[argument] = int(number)
			}
		}
		found[name] = queue.Arguments
	}
	return found
}

// The table of exchanges and queues is exact.
func TestNamesOnRabbitMQ(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	env := []string{"JOURNEYMAN_URL=" + url, "JOURNEYMAN_NAMESPACE=shop", "JOURNEYMAN_MAX_QUEUE=12345"}
	serve(t, journeyman(t), env...)
	only := start(t, env, journeyman(t), "serve", "calculator", "--only", "multiply")
	w := newQueueWire(t, connect(t, url))
	there := func(queue string) {
		t.Helper()
		eventually(t, only, func() error {
			_, err := newQueueWire(t, connect(t, url)).channel.QueueDeclarePassive(shop+queue, true, false, false, false, nil)
			return err
		})
	}
	// Somebody needs a rung of the ladder.
	due := time.Now().Add(90 * time.Minute).UnixMilli()
	w.send(shop+"rpc", "", amqp.Publishing{Headers: amqp.Table{"destination": "calculator", "not-before": due}})
	there("calculator.delay.3600000")
	there("calculator.method.multiply")

	for name, args := range map[string]amqp.Table{
		"rpc": {"alternate-exchange": shop + "rpc.any"}, "rpc.any": nil, "journeyman.dead": nil,
	} {
		// RabbitMQ compares, and closes the channel of whoever says something else.
		if err := w.channel.ExchangeDeclarePassive(shop+name, "headers", true, false, false, false, nil); err != nil {
			t.Fatalf("exchange %s: %v", name, err)
		}
		if err := w.channel.ExchangeDeclare(shop+name, "headers", true, false, false, false, args); err != nil {
			t.Fatalf("exchange %s: %v", name, err)
		}
	}
	if diff := cmp.Diff(documented(), declared(t, url)); diff != "" {
		t.Errorf("queues (-documented +declared):\n%s", diff)
	}

	// The more specific binding wins, nothing goes to both, and the default exchange
	// knows nothing of it.
	multiply := func(correlationID string) amqp.Publishing {
		return amqp.Publishing{
			CorrelationId: correlationID, Headers: amqp.Table{"destination": "calculator", "procedure": "multiply"},
			Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"multiply","params":[2,3]}`),
		}
	}
	answered := func(correlationID string) {
		t.Helper()
		if d := w.reply(); d.CorrelationId != correlationID || !strings.Contains(string(d.Body), `"result":6`) {
			t.Errorf("reply %q to %q, want 6 to %q", d.Body, d.CorrelationId, correlationID)
		}
	}
	w.send(shop+"rpc", "", multiply("first"))
	answered("first")
	only.end(syscall.SIGTERM)
	w.send(shop+"rpc", "", multiply("waits"))
	w.send("", shop+"calculator", multiply("second"))
	answered("second")
	// A queue may be a moment behind what was published before.
	for deadline := time.Now().Add(patience); w.count(shop+"calculator.method.multiply") != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no message waits for whoever serves multiply alone")
		}
	}
}

// Who waits for a request that worker after worker died of is told.
func TestGivenUpOnRabbitMQ(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	env := []string{"JOURNEYMAN_URL=" + url}
	first := serve(t, journeyman(t), env...)
	first.end(syscall.SIGTERM)
	connection := connect(t, url)
	w := newQueueWire(t, connection)
	w.send("", "calculator", amqp.Publishing{CorrelationId: "9", Headers: amqp.Table{"deaths": int32(3)}})

	// The fourth death: it is taken, and comes back with the broker's mark.
	dying, err := connection.Channel()
	if err != nil {
		t.Fatal(err)
	}
	taken, err := dying.Consume("calculator", "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-taken
	if err := dying.Close(); err != nil {
		t.Fatal(err)
	}
	serve(t, journeyman(t), env...)
	d := w.reply()
	why := fmt.Sprint(d.Headers["error"])
	if d.CorrelationId != "9" || len(d.Body) != 0 || !strings.HasPrefix(why, "given up: ") {
		t.Errorf("reply to %q: body %q, error %q; want none, and an error that begins with given up", d.CorrelationId, d.Body, why)
	}
	letter, ok, err := w.channel.Get("calculator.dead", false)
	if err != nil || !ok || letter.Headers["buried"] == nil || letter.Headers["error"] == nil || string(letter.Body) != add("any") {
		t.Errorf("dead letter %v, headers %v, body %q, %v", ok, letter.Headers, letter.Body, err)
	}
}
