package rabbitmq

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// What is done to a node as a whole is done to one that nobody else uses.
func TestOwnNode(t *testing.T) {
	node := brokertest.RabbitMQ(t)
	t.Run("alarm", func(t *testing.T) { testAlarm(t, node) })
	t.Run("consumer timeout", func(t *testing.T) { testConsumerTimeout(t, node) })
}

// A node that is short of memory or disk reads nothing more from those who publish.
func testAlarm(t *testing.T, node *brokertest.Rabbit) {
	a := &app{t, node.URL}
	tidy(t)
	worker, caller, leaver := a.process(), a.process(), a.process()
	begun, release := make(chan struct{}, 2), make(chan struct{})
	h := func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "long" {
			begun <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return echo(ctx, m)
	}
	a.serve(worker, h, 4)
	long := a.begin(caller, "long")
	await(t, "the handler", begun)
	_, leaverEnded := a.serve(leaver, h, 4)
	a.consumed(calculator, 2)

	node.Alarm(true)
	defer node.Alarm(false)
	for name, tr := range map[string]*Transport{"caller": caller, "leaver": leaver} {
		// Nobody is told before he publishes; then all of his later messages are refused.
		var err error
		a.eventually("the "+name+" to know", func() bool {
			_, err = tr.Call(brief300(t), calculator, transports.Message{Body: []byte("early")})
			return !errors.Is(err, context.DeadlineExceeded)
		})
		if !errors.Is(err, transports.ErrUnavailable) || !strings.Contains(err.Error(), "memory") {
			t.Errorf("%s: call: error %v, want ErrUnavailable that names the memory", name, err)
		}
		err = tr.Send(a.ctx(), calculator, transports.Message{})
		if !errors.Is(err, transports.ErrUnavailable) || !strings.Contains(err.Error(), "memory") {
			t.Errorf("%s: send: error %v, want ErrUnavailable that names the memory", name, err)
		}
	}
	a.closes(leaver, leaverEnded)
	close(release)
	// The worker's reply waits, and so does its caller.
	select {
	case p := <-long:
		t.Errorf("during the alarm the reply %q came, error %v", p.reply, p.err)
	case <-brief300(t).Done():
	}
	node.Alarm(false)
	if p := await(t, "the reply", long); p.err != nil || p.reply != "echo long" {
		t.Errorf("after the alarm: reply %q, error %v", p.reply, p.err)
	}
	a.eventually("a call to succeed", func() bool {
		_, err := caller.Call(a.ctx(), calculator, transports.Message{})
		return err == nil
	})
}

// RabbitMQ closes the channel of whoever keeps a message too long, half an hour unless
// somebody has changed it, and gives the message out again: here, to the same process.
func testConsumerTimeout(t *testing.T, node *brokertest.Rabbit) {
	a := &app{t, node.URL}
	node.Ctl("eval", "application:set_env(rabbit, channel_tick_interval, 200), application:set_env(rabbit, consumer_timeout, 500).")
	named := func(o *Options, _ *timing) { o.Namespace = "timeout" }
	worker, caller := a.process(named), a.process(named)
	var runs journal
	begun, release := make(chan struct{}, 10), make(chan struct{})
	a.serve(worker, func(ctx context.Context, m transports.Message) transports.Outcome {
		runs.note(m.Body)
		if string(m.Body) == "long" {
			begun <- struct{}{}
			<-release
		}
		return echo(ctx, m)
	}, 2)
	long := a.begin(caller, "long")
	await(t, "the handler", begun)
	a.eventually("the message to come again, and again", func() bool { return worker.Counts().Rejoined >= 2 })
	a.call(caller, "short")
	close(release)
	if p := await(t, "the reply", long); p.err != nil || p.reply != "echo long" {
		t.Errorf("reply %q, error %v", p.reply, p.err)
	}
	if diff := cmp.Diff(map[string]int{"long": 1, "short": 1}, runs.read()); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	a.eventually("the queue to be empty", func() bool {
		q := a.queue("timeout:calculator")
		return q.Ready+q.Unacked == 0
	})
	if diff := cmp.Diff(map[string]int{"long": 1, "short": 1}, runs.read()); diff != "" {
		t.Errorf("runs in the end (-want +got):\n%s", diff)
	}
}
