package transporttest

import (
	"context"
	"errors"

	"github.com/journeyman-go/journeyman/transports"
)

func suspectCases() []testCase {
	return []testCase{
		{name: "a suspect runs again, and its success is its caller's", needs: []Feature{Suspects}, run: suspectRecovers},
		{name: "the fourth death buries a message and tells its caller", needs: []Feature{Suspects}, run: suspectBuried},
		{name: "a suspect costs its neighbours nothing", needs: []Feature{Suspects}, run: suspectAlone},
		{name: "an attempt that ends otherwise forgets the deaths before it", needs: []Feature{Suspects, Retries}, run: suspectForgotten},
		{name: "a death that was retried counts no more", needs: []Feature{Suspects, Buries, DeadLetters}, run: suspectRevived},
	}
}

// deadly is the number of deaths in a row that a message may cause.
const deadly = 4

// suspecting returns a handler that reports each message. It takes "poison" for a
// suspect the given number of times, and echoes it then.
func suspecting(times int) (chan transports.Message, transports.Handler) {
	got := make(chan transports.Message, 64)
	left := make(chan struct{}, times)
	for range times {
		left <- struct{}{}
	}
	return got, func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) != "poison" {
			return echo(ctx, m)
		}
		got <- m
		select {
		case <-left:
			return transports.Outcome{Verdict: transports.Suspect, Err: errors.New("it does not return")}
		default:
			return echo(ctx, m)
		}
	}
}

func suspectRecovers(e *env) {
	got, handler := suspecting(deadly - 1)
	e.serve(e.open(), transports.Service{Slots: 2, Handler: handler})
	caller := e.open()
	e.wantReply(receive(e, e.start(e.patient(), caller, "poison"), "the reply of the last attempt"), "poison")
	e.wantAttempts(got, deadly)
}

func suspectBuried(e *env) {
	got, handler := suspecting(deadly)
	e.serve(e.open(), transports.Service{Slots: 2, Handler: handler})
	caller := e.open()
	e.wantError("Call", receive(e, e.start(e.patient(), caller, "poison"), "the call to be told").err, transports.ErrBuried)
	e.wantAttempts(got, deadly)
	for range 10 {
		e.call(caller, "x")
	}
	if len(got) > 0 {
		e.Error("a buried message ran again")
	}
}

// wantAttempts fails the case unless got holds n attempts at one message, each of
// which but the last ended in a death.
func (e *env) wantAttempts(got chan transports.Message, n int) {
	e.Helper()
	var id string
	for deaths := range n {
		m := receive(e, got, "an attempt")
		if deaths == 0 {
			id = m.ID
		}
		// A death is no failure: the handler may be in order.
		if m.ID != id || m.Failures != 0 || m.Redelivered != (deaths > 0) {
			e.Errorf("after %d deaths: id %q, %d failures, redelivered %v; want %q, 0, %v",
				deaths, m.ID, m.Failures, m.Redelivered, id, deaths > 0)
		}
		if !e.suite.lacks(Histories) && (died(m) != deaths || deaths > 0 && m.History[0].Error != "it does not return") {
			e.Errorf("after %d deaths: history %+v", deaths, m.History)
		}
	}
	if len(got) > 0 {
		e.Errorf("%d attempts more than allowed", len(got))
	}
}

// died counts the deaths in the history of m.
func died(m transports.Message) (n int) {
	for _, a := range m.History {
		if a.Died {
			n++
		}
	}
	return n
}

// Only deaths one after the other bury a message.
func suspectForgotten(e *env) {
	const most = deadly - 1
	n := make(chan struct{}, 64)
	e.serve(e.open(), transports.Service{Slots: 2, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) != "poison" {
			return echo(ctx, m)
		}
		n <- struct{}{}
		switch len(n) {
		case most + 1:
			return transports.Outcome{Verdict: transports.Retry}
		case 2*most + 2:
			return echo(ctx, m)
		default:
			return transports.Outcome{Verdict: transports.Suspect}
		}
	}})
	e.wantReply(receive(e, e.start(e.patient(), e.open(), "poison"), "the reply of the last attempt"), "poison")
	if len(n) != 2*most+2 {
		e.Errorf("%d attempts, want %d", len(n), 2*most+2)
	}
}

func suspectAlone(e *env) {
	got, handler := suspecting(deadly)
	g := newGate()
	e.serve(e.open(), transports.Service{Slots: 2, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "neighbour" {
			return g.handle(ctx, m)
		}
		return handler(ctx, m)
	}})
	neighbour := e.start(e.patient(), e.open(), "neighbour")
	receive(e, g.entered, "the neighbour to start")
	poison := e.start(e.patient(), e.open(), "poison")
	receive(e, got, "the suspect to run")
	e.meanwhile()
	close(g.release)
	e.wantReply(receive(e, neighbour, "the neighbour's reply"), "neighbour")
	e.wantError("Call", receive(e, poison, "the call to be told").err, transports.ErrBuried)
	if len(g.entered) > 0 {
		e.Error("the neighbour ran again")
	}
}

func suspectRevived(e *env) {
	got, handler := suspecting(2*deadly - 1)
	tr := e.open()
	e.serve(tr, transports.Service{Slots: 2, Handler: handler})
	e.send(tr, transports.Message{ID: "id-1", Body: []byte("poison")})
	d := e.awaitDead(tr, 1)[0]
	if d.ID != "id-1" || d.Deaths != deadly || d.Reason == "" || d.Message.Failures != 0 {
		e.Errorf("dead letter %+v, want id-1, %d deaths, no failures, and a reason", d, deadly)
	}
	if !e.suite.lacks(Histories) && died(d.Message) != deadly {
		e.Errorf("history of the dead letter: %+v, want %d deaths", d.Message.History, deadly)
	}
	for range deadly {
		receive(e, got, "the attempts")
	}

	if n, err := tr.(transports.DeadLetterQueue).RetryDead(e.patient(), service, d.ID); n != 1 || err != nil {
		e.Fatalf("RetryDead returned %d and error %v, want 1", n, err)
	}
	// Deaths counted on from before would bury it at the first of these.
	for range deadly {
		receive(e, got, "the attempts after that")
	}
	e.settled(tr)
	if dead := e.deadLetters(tr); len(dead) != 0 {
		e.Errorf("dead letters after the last attempt, which succeeded: %+v", dead)
	}
}
