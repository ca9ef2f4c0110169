//go:build unix

package brokertest

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"
)

// connect returns a connection that the test's end closes.
func connect(t *testing.T, url, name string) *amqp.Connection {
	t.Helper()
	properties := amqp.Table{}
	if name != "" {
		properties["connection_name"] = name
	}
	conn, err := amqp.DialConfig(url, amqp.Config{Properties: properties})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseDeadline(time.Now()) })
	return conn
}

// channel returns a channel of a connection of its own, in confirm mode.
func channel(t *testing.T, url string) *amqp.Channel {
	t.Helper()
	ch, err := connect(t, url, "").Channel()
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

// eventually polls until there is no difference.
func eventually(t *testing.T, what string, diff func() string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		d := diff()
		if d == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited 30s for %s (-want +got):\n%s", what, d)
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
		want := QueueInfo{Name: "calculator", Type: "quorum", Durable: true, Ready: 1, Arguments: map[string]any{"x-queue-type": "quorum"}}
		eventually(t, "the message to be counted", func() string { return cmp.Diff([]QueueInfo{want}, Queues(t, gone)) })

		if _, err := ch.Consume("calculator", "", false, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		want.Ready, want.Unacked, want.Consumers = 0, 1, 1
		eventually(t, "the consumer to be counted", func() string { return cmp.Diff([]QueueInfo{want}, Queues(t, gone)) })
	})
	m, name, _ := manage(t, gone)
	for _, kind := range []string{"vhosts", "users"} {
		err := m.do(t.Context(), http.MethodGet, nil, nil, "", kind, name)
		if answer := (*refusal)(nil); !errors.As(err, &answer) || answer.status != http.StatusNotFound {
			t.Errorf("after the test one of the %s has its name still: error %v", kind, err)
		}
	}
}

func TestVhostConnections(t *testing.T) {
	t.Parallel()
	url, other := Vhost(t), Vhost(t)
	bystander := connect(t, other, "named")
	closed := func(name string) chan *amqp.Error {
		return connect(t, url, name).NotifyClose(make(chan *amqp.Error, 1))
	}
	forced := func(c chan *amqp.Error) {
		t.Helper()
		select {
		case err := <-c:
			if err == nil || err.Code != amqp.ConnectionForced {
				t.Errorf("the connection ended with %v, want CONNECTION_FORCED", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the connection stays open")
		}
	}

	named, unnamed := closed("named"), closed("")
	names := func() (names []string) {
		for _, c := range Connections(t, url) {
			names = append(names, c.Name)
		}
		slices.Sort(names)
		return names
	}
	eventually(t, "the connections to be seen", func() string { return cmp.Diff([]string{"", "named"}, names()) })
	CloseConnections(t, url, "named")
	forced(named)
	if len(unnamed) > 0 {
		t.Error("a connection of another name was closed")
	}
	eventually(t, "the connection to go", func() string { return cmp.Diff([]string{""}, names()) })

	brandNew := closed("brand-new")
	CloseConnections(t, url)
	forced(unnamed)
	forced(brandNew)
	if bystander.IsClosed() {
		t.Error("a connection of another vhost was closed")
	}
}

// TestRabbitMQ does to one node what can be done to a node, for starting one
// takes seconds.
func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	r := RabbitMQ(t)
	ch := channel(t, r.URL)
	declare(t, ch, "q")
	refused := func(why string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := publish(ctx, t, ch, "q", why); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: a message was answered with %v", why, err)
		}
	}
	taken := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := publish(ctx, t, ch, "q", when); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	for range 3 {
		r.Pause()
		refused("paused")
		r.Resume()
		taken("resumed")
	}
	r.Alarm(true)
	refused("alarmed")
	r.Alarm(false)
	taken("calm")

	t.Run("named by variables", func(t *testing.T) {
		managements.Delete(r.Addr)
		api := r.manage().base
		if err := useRabbit(r.URL, "http://"+local(1), 200*time.Millisecond); err == nil {
			t.Error("without a management API it is taken for usable")
		}
		if err := useRabbit(r.As("guest", "wrong", "/"), api, time.Hour); err == nil {
			t.Error("with a wrong password it is taken for usable")
		}
		if err := useRabbit(r.URL, api+"/", time.Minute); err != nil {
			t.Error(err)
		}
		if got := Queues(t, r.URL); len(got) != 1 {
			t.Errorf("queues %v, want one", got)
		}
	})

	// A queue that is brand new is the one in danger.
	declare(t, ch, "new")
	if err := publish(t.Context(), t, ch, "new", "kept"); err != nil {
		t.Fatal(err)
	}
	pid, url := r.Pid(), r.URL
	r.Restart()
	if r.Pid() == pid || r.URL != url {
		t.Errorf("after Restart it is process %d at %s, before %d at %s", r.Pid(), r.URL, pid, url)
	}
	ch = channel(t, r.URL)
	got, ok, err := ch.Get("new", true)
	if err != nil || !ok || string(got.Body) != "kept" {
		t.Errorf("after Restart: message %q, there is one: %v, error %v", got.Body, ok, err)
	}
	taken("restarted")
	r.Pause() // and its end does not wait for Resume
}

func TestRabbitOptions(t *testing.T) {
	t.Parallel()
	r := RabbitMQ(t, TLS(), Config("consumer_timeout = 61000"), User("reader", "s3cret/:", "", "", "^q$"))
	if got := strings.TrimSpace(r.Ctl("eval", "application:get_env(rabbit, consumer_timeout).")); got != "{ok,61000}" {
		t.Errorf("consumer_timeout is %s", got)
	}
	if conn, err := amqp.Dial(r.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the CA: connection %v, error %v", conn, err)
	}
	trust := &tls.Config{RootCAs: r.CA, MinVersion: tls.VersionTLS12}
	admin, err := amqp.DialTLS(r.URL, trust)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	adminChannel, err := admin.Channel()
	if err != nil {
		t.Fatal(err)
	}
	declare(t, adminChannel, "q")
	reader, err := amqp.DialTLS(r.As("reader", "s3cret/:", "/"), trust)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for name, want := range map[string]bool{"may": true, "may not": false} {
		readerChannel, err := reader.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if want {
			_, _, err = readerChannel.Get("q", true)
		} else {
			_, err = readerChannel.QueueDelete("q", false, false, false)
		}
		if forbidden := (*amqp.Error)(nil); want != (err == nil) || !want && (!errors.As(err, &forbidden) || forbidden.Code != amqp.AccessRefused) {
			t.Errorf("what the user %s do: error %v", name, err)
		}
	}
}

func TestBadConfigShowsTheLog(t *testing.T) {
	t.Parallel()
	program, err := rabbitProgram(rabbitFolders())
	if err != nil {
		t.Fatal(err)
	}
	_, err = startRabbit(program, t.TempDir(), rabbitConfig{lines: []string{"no_such_setting = 1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") || !strings.Contains(err.Error(), "status") {
		t.Errorf("error %v, want the exit status and what RabbitMQ says of the setting", err)
	}
}

func TestUnreachableRabbitURL(t *testing.T) {
	for name, url := range map[string]string{"nobody there": "amqp://guest:s3cret@" + local(1) + "/", "no URL": "amqp://guest:s3cret@%/"} {
		t.Setenv(RabbitURLVariable, url)
		_, err := chooseRabbit()
		if err == nil || !strings.Contains(err.Error(), RabbitURLVariable) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v, want one that names %s and no password", name, err, RabbitURLVariable)
		}
	}
}
