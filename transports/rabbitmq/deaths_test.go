package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// An operator, or a proxy that restarts, closes connections while handlers run. The
// broker gives their messages out again; this process knows them and goes on.
func TestConnectionsClosedWhileHandlersRun(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	worker, caller := a.process(), a.process()
	var runs journal
	const calls = 20
	begun, release := make(chan struct{}, calls), make(chan struct{})
	a.serve(worker, func(_ context.Context, m transports.Message) transports.Outcome {
		runs.note(m.Body)
		begun <- struct{}{}
		<-release
		return transports.Outcome{Reply: m.Body}
	}, calls)

	want := make(map[string]int)
	var results []<-chan pending
	for i := range calls {
		body := fmt.Sprint("call ", i)
		want[body] = 1
		results = append(results, a.begin(caller, body))
	}
	for range calls {
		await(t, "a handler", begun)
	}
	brokertest.CloseConnections(t, a.url)
	a.eventually("all to come again", func() bool { return worker.Counts().Rejoined == calls })
	close(release)
	for i, result := range results {
		p := await(t, "a reply", result)
		if want := fmt.Sprint("call ", i); p.err != nil || p.reply != want {
			t.Errorf("reply %q, error %v, want %q", p.reply, p.err, want)
		}
	}
	if diff := cmp.Diff(want, runs.read()); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	a.eventually("the queue to be empty", func() bool { q := a.queue(calculator); return q.Ready+q.Unacked == 0 })
	if got := (Counts{Rejoined: calls}); got != worker.Counts() {
		t.Errorf("the worker counted %+v, want %+v", worker.Counts(), got)
	}
}

// died counts the deaths in a message's history.
func died(m transports.Message) (n int) {
	for _, attempt := range m.History {
		if attempt.Died {
			n++
		}
	}
	return n
}

// A message that every worker dies of is given up at the fourth death; those that were
// with it are not.
func TestPoison(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process()
	type run struct {
		body        string
		died        int
		redelivered bool
	}
	started := make(chan run, 100)
	newWorker := func() (*Transport, *relay) {
		relay := newRelay(t, a.url)
		worker := a.process(through(relay.url))
		a.serve(worker, func(ctx context.Context, m transports.Message) transports.Outcome {
			r := run{string(m.Body), died(m), m.Redelivered}
			started <- r
			// The bystander happens to be there twice; the third time it is alone.
			if r.body == "poison" || r.body == "bystander" && r.died < 2 {
				<-ctx.Done() // which the process's death does not let it see
			}
			return transports.Outcome{Reply: m.Body}
		}, 16) // two of them for what may have killed a worker
		return worker, relay
	}

	_, relay := newWorker()
	poison, bystander := a.begin(caller, "poison"), a.begin(caller, "bystander")
	for deaths := range 2 {
		got := []run{await(t, "a handler", started), await(t, "a handler", started)}
		if got[0].body != "bystander" {
			got[0], got[1] = got[1], got[0]
		}
		want := []run{{"bystander", deaths, deaths > 0}, {"poison", deaths, deaths > 0}}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(run{})); diff != "" {
			t.Fatalf("after %d deaths there ran (-want +got):\n%s", deaths, diff)
		}
		// What the worker has moved must be acknowledged before it dies, or it comes twice.
		a.eventually("the acknowledgements", func() bool { return len(relay.acked()) == 2*deaths })
		relay.kill()
		_, relay = newWorker()
	}
	var undertaker *Transport
	for deaths := 2; deaths < 4; deaths++ {
		for r := (run{}); r.body != "poison"; {
			r = await(t, "the poison to run alone", started)
			if want := (run{r.body, deaths, true}); r.body == "poison" && r != want {
				t.Fatalf("the %+v was begun, want %+v", r, want)
			}
		}
		relay.kill()
		undertaker, relay = newWorker()
	}

	if p := await(t, "the end of the poison", poison); !errors.Is(p.err, transports.ErrBuried) {
		t.Errorf("the caller of the poison has reply %q, error %v, want ErrBuried", p.reply, p.err)
	}
	if p := await(t, "the reply to the bystander", bystander); p.err != nil || p.reply != "bystander" {
		t.Errorf("the caller of the bystander has reply %q, error %v", p.reply, p.err)
	}
	if n := undertaker.Counts().GivenUp; n != 1 {
		t.Errorf("the last worker has given up %d messages, want 1", n)
	}
	var letters []string
	err := caller.DeadLetters(a.ctx(), calculator, func(l transports.DeadLetter) bool {
		letters = append(letters, fmt.Sprintf("%s: %d deaths, %d in its history", l.Message.Body, l.Deaths, died(l.Message)))
		return true
	})
	if diff := cmp.Diff([]string{"poison: 4 deaths, 4 in its history"}, letters); diff != "" || err != nil {
		t.Errorf("dead letters, error %v (-want +got):\n%s", err, diff)
	}
}

// What waited in a worker that died, and what it merely ran, runs elsewhere.
func TestDeathOfABusyWorker(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	busy, caller := a.process(through(relay.url)), a.process()
	var runs journal
	begun := make(chan struct{}, 100)
	a.serve(busy, func(ctx context.Context, _ transports.Message) transports.Outcome {
		begun <- struct{}{}
		<-ctx.Done()
		return transports.Outcome{Reply: []byte("from the dead")}
	}, 4)
	const calls = 30
	var results []<-chan pending
	for i := range calls {
		results = append(results, a.begin(caller, fmt.Sprint("call ", i)))
	}
	for range 4 {
		await(t, "a handler", begun)
	}
	relay.kill()
	a.serve(a.process(), func(ctx context.Context, m transports.Message) transports.Outcome {
		runs.note(m.Body)
		return echo(ctx, m)
	}, 4)
	want := make(map[string]int)
	for i, result := range results {
		body := fmt.Sprint("call ", i)
		want[body] = 1
		if p := await(t, "a reply", result); p.err != nil || p.reply != "echo "+body {
			t.Errorf("reply %q, error %v, want %q", p.reply, p.err, "echo "+body)
		}
	}
	if diff := cmp.Diff(want, runs.read()); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}
