package transporttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/journeyman-go/journeyman/transports"
)

func verdictCases() []testCase {
	return []testCase{
		{name: "Retry runs a message again, later and counted", needs: []Feature{Retries}, run: retry},
		{name: "a message that waits for its retry survives its worker", needs: []Feature{Retries, Durable}, run: retrySurvives},
		{name: "a retried message knows how its attempts ended", needs: []Feature{Retries, Histories}, run: retryHistory},
		{name: "Bury ends a message and tells its caller", needs: []Feature{Buries}, run: bury},
		{name: "NotMine leaves a message to another worker", needs: []Feature{GivesBack, SharedQueue}, run: notMine},
		{name: "Follow sends along with the acknowledgement", needs: []Feature{Follows}, run: follow},
		{name: "Dead leaves with the acknowledgement", needs: []Feature{Follows, Buries, DeadLetters}, run: deadAlong},
		{name: "what follows may be late and have failed before", needs: []Feature{Follows, Delays, Histories}, run: followLater},
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

// A transport keeps ten attempts at least, the newest.
func retryHistory(e *env) {
	const kept, attempts = 10, 12
	got := make(chan transports.Message, 64)
	tr := e.open()
	e.serve(tr, transports.Service{Slots: 1, Handler: func(_ context.Context, m transports.Message) transports.Outcome {
		got <- m
		if m.Failures < attempts {
			return transports.Outcome{Verdict: transports.Retry, Err: fmt.Errorf("attempt %d: refused\n(twice)", m.Failures+1)}
		}
		return reply("")
	}})
	before := time.Now()
	e.call(e.open(), "x")
	for failures := range attempts + 1 {
		m := receive(e, got, "an attempt")
		if m.Failures != failures || len(m.History) > failures || len(m.History) < min(failures, kept) {
			e.Fatalf("after %d attempts: %d failures and %d attempts in the history", failures, m.Failures, len(m.History))
		}
		for i, a := range m.History {
			want := fmt.Sprintf("attempt %d: refused", failures-i)
			if !strings.HasPrefix(a.Error, want) || a.Died || !recent(a.At, before) {
				e.Errorf("history of attempt %d, entry %d: %+v, want one since %v that says %q", failures+1, i, a, before, want)
			}
		}
	}
}

// recent reports whether t lies between before and now. A second for a clock that
// is not ours, and for one that counts seconds.
func recent(t, before time.Time) bool {
	return t.After(before.Add(-time.Second)) && t.Before(time.Now().Add(time.Second))
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
		if m.ID == "" || m.Key != m.ID {
			e.Errorf("a follower has id %q and key %q, want a new id for both", m.ID, m.Key)
		}
		seen = append(seen, follower{m.Method, string(m.Body), m.Header["n"]})
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		e.Errorf("followers (-want +got):\n%s", diff)
	}
}

// A member of a batch that is given up is found as if it had been sent alone.
func deadAlong(e *env) {
	tr := e.open()
	attempt := transports.Attempt{At: time.Now().Add(-time.Minute).Truncate(time.Millisecond), Worker: "orders.1", Error: "no such order"}
	got := make(chan transports.Message, 16)
	e.serve(tr, transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		o := echo(ctx, m)
		if string(m.Body) == "batch" {
			o.Dead = []transports.DeadLetter{{Reason: "no such order", Message: transports.Message{
				Key: "batch#0", Method: "ship", Body: []byte("member"), Header: map[string]string{"principal": "zoë"},
				Failures: 1, History: []transports.Attempt{attempt},
			}}}
		} else {
			got <- m
		}
		return o
	}})
	before := time.Now()
	e.call(tr, "batch")
	d := e.awaitDead(tr, 1)[0]
	m := d.Message
	if d.ID == "" || !recent(d.Buried, before) || d.Reason != "no such order" || d.Deaths != 0 {
		e.Errorf("dead letter: %+v", d)
	}
	if m.Key != "batch#0" || m.Method != "ship" || string(m.Body) != "member" || m.Header["principal"] != "zoë" || m.Failures != 1 {
		e.Errorf("it holds %+v, want the member with its key and one failure", m)
	}
	if !e.suite.lacks(Histories) {
		if diff := cmp.Diff([]transports.Attempt{attempt}, m.History, cmpopts.EquateApproxTime(time.Second)); diff != "" {
			e.Errorf("history (-want +got):\n%s", diff)
		}
	}
	if n, err := tr.(transports.DeadLetterQueue).RetryDead(e.patient(), service, d.ID); n != 1 || err != nil {
		e.Fatalf("RetryDead returned %d and error %v, want 1", n, err)
	}
	if m := receive(e, got, "it to run"); string(m.Body) != "member" || m.Key != "batch#0" || m.Failures != 0 || !m.Unread {
		e.Errorf("retried, it arrives as %+v", m)
	}
}

// A failed member of a batch goes its own way as if it had been sent alone.
func followLater(e *env) {
	tr := e.open()
	got := make(chan transports.Message, 16)
	attempt := transports.Attempt{At: time.Now().Add(-time.Minute).Truncate(time.Millisecond), Worker: "orders.1", Error: "out of stock"}
	due := time.Now().Add(soon).Truncate(time.Millisecond)
	e.serve(tr, transports.Service{Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		o := echo(ctx, m)
		if string(m.Body) == "batch" {
			o.Follow = []transports.Message{{
				Key: "batch#0", Body: []byte("member"), NotBefore: due, Failures: 1, History: []transports.Attempt{attempt},
			}}
		} else {
			got <- m
		}
		return o
	}})
	e.call(tr, "batch")
	m := receive(e, got, "the follower")
	// A broker counts whole milliseconds.
	if early := time.Until(due); early > 2*time.Millisecond {
		e.Errorf("arrived %v before it was due", early)
	}
	if string(m.Body) != "member" || m.Key != "batch#0" || m.ID == "" || m.Failures != 1 {
		e.Errorf("arrived: %+v; want the member with its key, an id and one failure", m)
	}
	if diff := cmp.Diff([]transports.Attempt{attempt}, m.History, cmpopts.EquateApproxTime(time.Second)); diff != "" {
		e.Errorf("history (-want +got):\n%s", diff)
	}
}
