package rabbitmq

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

// What waits in a worker for a slot has a deadline as well.
func TestExpiresInTheHandsOfAWorker(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	worker := a.process()
	var runs journal
	begun, release := make(chan struct{}, 1), make(chan struct{})
	a.serve(worker, func(ctx context.Context, m transports.Message) transports.Outcome {
		runs.note(m.Body)
		if string(m.Body) == "long" {
			begun <- struct{}{}
			<-release
		}
		return echo(ctx, m)
	}, 1, "slow", "factor") // a stand each, and one slot
	a.consumed("calculator.method.slow", 1)
	a.consumed("calculator.method.factor", 1)
	send := func(method, body string, expires time.Time) {
		t.Helper()
		m := transports.Message{Method: method, Body: []byte(body), Expires: expires}
		if err := worker.Send(a.ctx(), calculator, m); err != nil {
			t.Fatal(err)
		}
	}
	send("slow", "long", time.Time{})
	await(t, "the slot to be taken", begun)
	expires := time.Now().Add(2 * time.Second)
	send("factor", "late", expires)
	a.eventually("the other message to be in the worker's hands", func() bool {
		q := a.queue("calculator.method.factor")
		return q != nil && q.Unacked == 1
	})
	a.eventually("it to expire there", func() bool { return time.Now().After(expires) })
	close(release)
	a.eventually("it to be dropped", func() bool { return worker.Counts().Expired == 1 })
	if diff := cmp.Diff(map[string]int{"long": 1}, runs.read()); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

// A message whose followers cannot be sent is kept where people find it, once, whatever
// else was to become of it.
func TestUnsendableFollower(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	worker := a.process()
	var runs journal
	a.serve(worker, func(_ context.Context, m transports.Message) transports.Outcome {
		runs.note(m.Body)
		return transports.Outcome{
			Verdict: transports.Retry, Reply: []byte("done"), Err: errors.New("not yet"),
			Follow: []transports.Message{{Header: map[string]string{"No Name": "x"}}},
		}
	}, 2)
	ctx, cancel := context.WithTimeout(a.ctx(), 2*time.Second)
	defer cancel()
	if reply, err := worker.Call(ctx, calculator, transports.Message{Body: []byte("x")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("reply %q, error %v, want none: it was buried", reply, err)
	}
	var letters []string
	if err := worker.DeadLetters(a.ctx(), calculator, func(d transports.DeadLetter) bool {
		letters = append(letters, d.Reason)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if len(letters) != 1 || !strings.Contains(letters[0], "No Name") {
		t.Errorf("dead letters for the reasons %q, want one that names the header", letters)
	}
	if diff := cmp.Diff(map[string]int{"x": 1}, runs.read()); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}
