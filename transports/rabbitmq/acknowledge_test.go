package rabbitmq

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// A delivery's number means something in the session that delivered it alone: in the
// next one it is another message's. These tests bring that about: A is taken as number
// 2 and outlasts its connection, and then it comes again as number 1, and B as 2. The
// relay tells them what the broker takes each acknowledgement for.
func TestAcknowledgementsStayInTheirSession(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	worker, caller := a.process(through(relay.url)), a.process()
	started := make(chan string, 4)
	release := map[string]chan struct{}{"A": make(chan struct{}), "B": make(chan struct{})}
	a.serve(worker, func(_ context.Context, m transports.Message) transports.Outcome {
		if body := string(m.Body); body != "X" {
			started <- body
			<-release[body]
		}
		return transports.Outcome{Reply: m.Body}
	}, 4)

	a.call(caller, "X")
	a.eventually("X to be acknowledged", func() bool { return len(relay.acked()) == 1 })
	callA := a.begin(caller, "A")
	await(t, "A to begin", started)
	relay.cut()
	a.eventually("A to come again", func() bool { return worker.Counts().Rejoined == 1 })
	callB := a.begin(caller, "B")
	if body := await(t, "B to begin", started); body != "B" {
		t.Errorf("%s was begun, want B", body)
	}

	close(release["A"])
	await(t, "the reply to A", callA)
	a.eventually("A to be acknowledged", func() bool { return len(relay.acked()) > 1 })
	if diff := cmp.Diff([]string{"X", "A"}, relay.acked()); diff != "" {
		t.Errorf("acknowledged while B is being run (-want +got):\n%s", diff)
	}
	close(release["B"])
	await(t, "the reply to B", callB)
	a.eventually("B to be acknowledged", func() bool { return len(relay.acked()) > 2 })
	if diff := cmp.Diff([]string{"X", "A", "B"}, relay.acked()); diff != "" {
		t.Errorf("acknowledged at last (-want +got):\n%s", diff)
	}
	if n := worker.Counts().Stale; n != 0 {
		t.Errorf("%d acknowledgements went nowhere", n)
	}
}

// The same with the library's own recovery, which is why it is never switched on: B is
// lost if its worker dies now. Should this test fail, the library is repaired.
func TestLibraryRecoveryAcknowledgesAnotherMessage(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	conn, err := amqp.DialConfig(relay.url, amqp.Config{Recovery: &amqp.Recovery{
		ReconnectionConfig: &amqp.ReconnectionConfig{MaxRetryCount: 100, RetryInterval: 50 * time.Millisecond},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	consuming, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	foreign := a.channel()
	for _, ch := range []*amqp.Channel{consuming, foreign} {
		if _, err := ch.QueueDeclare("work", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := consuming.Qos(4, 0, false); err != nil {
		t.Fatal(err)
	}
	deliveries, err := consuming.Consume("work", "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	next := func(body string) amqp.Delivery {
		t.Helper()
		d := await(t, "the delivery of "+body, deliveries)
		if string(d.Body) != body {
			t.Fatalf("%q is delivered, want %s", d.Body, body)
		}
		return d
	}
	ack := func(d amqp.Delivery) {
		t.Helper()
		if err := d.Ack(false); err != nil {
			t.Errorf("acknowledge %s: %v", d.Body, err)
		}
	}

	a.put(foreign, "", "work", amqp.Publishing{Body: []byte("X")})
	ack(next("X"))
	a.put(foreign, "", "work", amqp.Publishing{Body: []byte("A")})
	late := next("A")
	relay.cut()
	next("A") // again
	a.put(foreign, "", "work", amqp.Publishing{Body: []byte("B")})
	next("B")
	ack(late)
	a.eventually("an acknowledgement", func() bool { return len(relay.acked()) > 1 })
	if diff := cmp.Diff([]string{"X", "B"}, relay.acked()); diff != "" {
		t.Errorf("the library acknowledges what it was told to: tell whoever wrote session.go (-want +got):\n%s", diff)
	}
}

// What was done is not done again when the word of it was lost with the connection.
func TestLostAcknowledgement(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	worker, caller := a.process(through(relay.url)), a.process()
	var runs journal
	a.serve(worker, func(_ context.Context, m transports.Message) transports.Outcome {
		runs.note(m.Body)
		return transports.Outcome{Reply: m.Body}
	}, 4)
	a.call(caller, "before")
	a.eventually("that to be acknowledged", func() bool { return len(relay.acked()) == 1 })
	lost := relay.losing("work")
	a.call(caller, "work")
	await(t, "the connection to break instead of the acknowledgement", lost)
	a.eventually("work to be acknowledged after all", func() bool { return len(relay.acked()) == 2 })
	if diff := cmp.Diff(map[string]int{"before": 1, "work": 1}, runs.read()); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if n := worker.Counts().Rejoined; n != 1 {
		t.Errorf("%d messages came again, want 1", n)
	}
}
