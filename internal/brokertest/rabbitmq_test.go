//go:build unix

package brokertest

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"
)

// channel returns a channel of a connection of its own, in confirm mode.
func channel(t *testing.T, url string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseDeadline(time.Now()) })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	return ch
}

// declare declares a quorum queue.
func declare(t *testing.T, ch *amqp.Channel, name string) {
	t.Helper()
	if _, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
}

// publish returns the error of what waits for the broker's confirmation.
func publish(ctx context.Context, t *testing.T, ch *amqp.Channel, queue, body string) error {
	t.Helper()
	confirmation, err := ch.PublishWithDeferredConfirm("", queue, true, false,
		amqp.Publishing{Body: []byte(body), DeliveryMode: amqp.Persistent})
	if err != nil {
		t.Fatal(err)
	}
	acked, err := confirmation.WaitContext(ctx)
	if err == nil && !acked {
		err = errors.New("the broker refused the message")
	}
	return err
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30s for %s", what)
		}
	}
}

func TestVhost(t *testing.T) {
	t.Parallel()
	first := Vhost(t)
	var gone string
	t.Run("of its own", func(t *testing.T) {
		gone = Vhost(t)
		ch := channel(t, gone)
		declare(t, ch, "calculator")
		if err := publish(t.Context(), t, ch, "calculator", "x"); err != nil {
			t.Fatal(err)
		}
		if got := Queues(t, first); len(got) != 0 {
			t.Errorf("another vhost has the queues %v", got)
		}
		want := []QueueInfo{{Name: "calculator", Type: "quorum", Durable: true, Ready: 1, Arguments: map[string]any{"x-queue-type": "quorum"}}}
		var diff string
		eventually(t, "the message to be counted", func() bool { diff = cmp.Diff(want, Queues(t, gone)); return diff == "" })

		if _, err := ch.Consume("calculator", "", false, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		want[0].Ready, want[0].Unacked, want[0].Consumers = 0, 1, 1
		eventually(t, "the consumer to be counted", func() bool { diff = cmp.Diff(want, Queues(t, gone)); return diff == "" })
	})
	if _, err := amqp.Dial(gone); err == nil || !strings.Contains(err.Error(), "not_allowed") && !strings.Contains(err.Error(), "no access") {
		t.Errorf("after the test its vhost answers with %v, want that there is none", err)
	}
}

func TestRabbitPauseResume(t *testing.T) {
	t.Parallel()
	r := RabbitMQ(t)
	ch := channel(t, r.URL)
	declare(t, ch, "q")
	for range 3 {
		r.Pause()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := publish(ctx, t, ch, "q", "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a paused RabbitMQ answered: %v", err)
		}
		cancel()
		r.Resume()
		if err := publish(t.Context(), t, ch, "q", "x"); err != nil {
			t.Errorf("after Resume: %v", err)
		}
	}
	r.Pause() // and its end does not wait for Resume
}

func TestRabbitRestart(t *testing.T) {
	t.Parallel()
	r := RabbitMQ(t)
	ch := channel(t, r.URL)
	declare(t, ch, "q")
	if err := publish(t.Context(), t, ch, "q", "kept"); err != nil {
		t.Fatal(err)
	}
	pid, url := r.Pid(), r.URL
	r.Restart()
	if r.Pid() == pid || r.URL != url {
		t.Errorf("after Restart it is process %d at %s, before %d at %s", r.Pid(), r.URL, pid, url)
	}
	got, ok, err := channel(t, r.URL).Get("q", true)
	if err != nil || !ok || string(got.Body) != "kept" {
		t.Errorf("after Restart: message %q, there is one: %v, error %v", got.Body, ok, err)
	}
}

func TestRabbitAlarm(t *testing.T) {
	t.Parallel()
	r := RabbitMQ(t)
	ch := channel(t, r.URL)
	declare(t, ch, "q")
	r.Alarm(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := publish(ctx, t, ch, "q", "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("under a memory alarm a message was taken: %v", err)
	}
	r.Alarm(false)
	if err := publish(t.Context(), t, ch, "q", "x"); err != nil {
		t.Errorf("after the alarm: %v", err)
	}
}

func TestRabbitOptions(t *testing.T) {
	t.Parallel()
	r := RabbitMQ(t, TLS(), Config("consumer_timeout = 61000"), User("reader", "s3cret/:", "", "", "^q$"))
	if got := strings.TrimSpace(r.Ctl("eval", "application:get_env(rabbit, consumer_timeout).")); got != "{ok,61000}" {
		t.Errorf("consumer_timeout is %s", got)
	}
	trust := &tls.Config{RootCAs: r.CA, MinVersion: tls.VersionTLS12}
	if _, err := amqp.Dial(r.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the CA: error %v", err)
	}
	admin, err := amqp.DialTLS(r.URL, trust)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	reader, err := amqp.DialTLS(r.As("reader", "s3cret/:", "/"), trust)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
}
