package transporttest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func verdictCases() []testCase {
	return []testCase{
		{name: "Retry runs a message again, later and counted", needs: []Feature{Retries}, run: retry},
		{name: "a message that waits for its retry survives its worker", needs: []Feature{Retries, Durable}, run: retrySurvives},
		{name: "Bury ends a message and tells its caller", needs: []Feature{DeadLetters}, run: bury},
		{name: "NotMine leaves a message to another worker", needs: []Feature{GivesBack, SharedQueue}, run: notMine},
		{name: "Keep answers the same message again without running it", needs: []Feature{Keeps}, run: keep},
		{name: "Follow sends along with the acknowledgement", needs: []Feature{Follows}, run: follow},
	}
}

func retry(e *env) {
	const after = 100 * time.Millisecond
	type attempt struct {
		m  transports.Message
		at time.Time
	}
	got := make(chan attempt, 16)
	tr := e.open()
	e.serve(tr, transports.Service{Slots: 1, Handler: func(_ context.Context, m transports.Message) transports.Outcome {
		got <- attempt{m, time.Now()}
		if m.Failures < 2 {
			return transports.Outcome{Verdict: transports.Retry, After: after, Err: errors.New("not yet")}
		}
		return reply(fmt.Sprintf("after %d failures", m.Failures))
	}})
	done := e.start(e.patient(), e.open(), "x")
	e.wantReply(receive(e, done, "the reply of the last attempt"), "after 2 failures")
	var last attempt
	for failures := range 3 {
		a := receive(e, got, "an attempt")
		if a.m.Failures != failures || string(a.m.Body) != "x" {
			e.Errorf("attempt %d has %d failures and body %q", failures+1, a.m.Failures, a.m.Body)
		}
		if failures > 0 {
			if a.m.ID != last.m.ID {
				e.Errorf("attempt %d has id %q, the one before %q", failures+1, a.m.ID, last.m.ID)
			}
			// A broker counts whole milliseconds.
			if waited := a.at.Sub(last.at); waited < after-2*time.Millisecond {
				e.Errorf("attempt %d came after %v, want at least %v", failures+1, waited, after)
			}
		}
		last = a
	}
	if len(got) != 0 {
		e.Errorf("%d attempts more than needed", len(got))
	}
}

func retrySurvives(e *env) {
	failed := make(chan struct{}, 16)
	worker, sender := e.open(), e.open()
	s := e.serve(worker, transports.Service{Handler: func(context.Context, transports.Message) transports.Outcome {
		failed <- struct{}{}
		return transports.Outcome{Verdict: transports.Retry, After: soon}
	}})
	e.send(sender, transports.Message{Body: []byte("x")})
	receive(e, failed, "the first attempt")
	if err := s.stop(e); err != nil {
		e.Errorf("Serve: %v", err)
	}
	if err := worker.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	got, handler := recorder()
	e.serve(e.open(), transports.Service{Handler: handler})
	if m := receive(e, got, "the second attempt"); m.Failures != 1 {
		e.Errorf("the second attempt has %d failures, want 1", m.Failures)
	}
}

func bury(e *env) {
	tr := e.open()
	got := make(chan transports.Message, 64)
	e.serve(tr, transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) != "dead" {
			return echo(ctx, m)
		}
		got <- m
		o := reply("buried")
		o.Verdict, o.Err = transports.Bury, errors.New("hopeless")
		return o
	}})
	if r := e.call(tr, "dead"); r != "buried" {
		e.Errorf("the caller got %q", r)
	}
	receive(e, got, "the message")
	e.serve(e.open(), transports.Service{Slots: 1, Handler: echo})
	for range 10 {
		e.call(tr, "x")
	}
	if len(got) > 0 {
		e.Error("a buried message ran again")
	}
}

func notMine(e *env) {
	caller := e.open()
	refused := make(chan transports.Message, 1<<16)
	e.serve(e.open(), transports.Service{Methods: []string{"old"}, Handler: func(_ context.Context, m transports.Message) transports.Outcome {
		refused <- m
		return transports.Outcome{Verdict: transports.NotMine}
	}})
	done := e.start(e.patient(), caller, "x")
	first := receive(e, refused, "the first worker to refuse")
	got, handler := recorder()
	e.serve(e.open(), transports.Service{Methods: []string{"old", "new"}, Handler: handler})
	m := receive(e, got, "the second worker to get it")
	if m.Failures != 0 || m.ID != first.ID {
		e.Errorf("id %q and %d failures, want %q and none", m.ID, m.Failures, first.ID)
	}
	e.wantReply(receive(e, done, "the reply"), "x")
}

func keep(e *env) {
	got := make(chan struct{}, 16)
	e.serve(e.open(), transports.Service{Handler: func(context.Context, transports.Message) transports.Outcome {
		o := reply(fmt.Sprint("run ", len(got)))
		o.Keep = time.Hour
		got <- struct{}{}
		return o
	}})
	for _, c := range []struct{ id, want string }{
		{"7f2c1c1e-0000-4000-8000-000000000001", "run 0"},
		{"7f2c1c1e-0000-4000-8000-000000000001", "run 0"},
		{"7f2c1c1e-0000-4000-8000-000000000002", "run 1"},
	} {
		r, err := e.open().Call(e.patient(), service, transports.Message{ID: c.id})
		if err != nil || string(r) != c.want {
			e.Errorf("Call with id %q returned %q and error %v, want %q", c.id, r, err, c.want)
		}
	}
}

func follow(e *env) {
	tr := e.open()
	got := make(chan transports.Message, 16)
	e.serve(tr, transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		o := echo(ctx, m)
		if string(m.Body) == "first" {
			o.Follow = []transports.Message{
				{Method: "follow", Body: []byte("second"), Header: map[string]string{"n": "2"}},
				{Method: "follow", Body: []byte("third"), Header: map[string]string{"n": "3"}},
			}
		} else {
			got <- m
		}
		return o
	}})
	if r := e.call(tr, "first"); r != "first" {
		e.Errorf("the caller got %q", r)
	}
	type follower struct{ Method, Body, N string }
	want := []follower{{"follow", "second", "2"}, {"follow", "third", "3"}}
	var seen []follower
	for range want {
		m := receive(e, got, "the followers")
		seen = append(seen, follower{m.Method, string(m.Body), m.Header["n"]})
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		e.Errorf("followers (-want +got):\n%s", diff)
	}
}
