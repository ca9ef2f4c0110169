package transporttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

func faultCases() []testCase {
	return []testCase{
		{name: "cancelled calls return while the broker is frozen", needs: []Feature{Freezes}, run: frozenCalls},
		{name: "an idle worker stops while the broker is frozen", needs: []Feature{Freezes}, run: frozenServe},
		{name: "Close returns while the broker is frozen", needs: []Feature{Freezes}, run: frozenClose},
		{name: "work goes on after the broker was frozen", needs: []Feature{Freezes, Durable}, run: thawed},
		{name: "a restarted broker loses nothing acknowledged", needs: []Feature{Restarts, Durable}, run: restartUnderLoad},
		{name: "a call survives a restart of the broker", needs: []Feature{Restarts, Durable}, run: callSurvivesRestart},
	}
}

// freeze freezes the broker until resume is called or the case has ended.
func (e *env) freeze() (resume func()) {
	e.Helper()
	resume = e.broker.Freeze(e.T)
	e.Cleanup(resume)
	return resume
}

// settled waits until no message of the service is in flight, where that can be seen.
func (e *env) settled(tr transports.Transport) {
	e.Helper()
	inspector, ok := tr.(transports.Inspector)
	if !ok {
		return
	}
	e.poll("messages to be settled", func() bool {
		all, err := inspector.Services(e.Context())
		return err == nil && len(all) == 1 && (all[0].InFlight == nil || *all[0].InFlight == 0)
	})
}

func frozenCalls(e *env) {
	tr := e.open()
	e.serve(e.open(), transports.Service{Handler: echo})
	e.call(tr, "warm")
	resume := e.freeze()

	canceled, cancel := context.WithCancel(e.Context())
	expired, stop := context.WithTimeout(e.Context(), soon)
	defer stop()
	calls := []struct {
		ctx  context.Context
		want error
	}{{canceled, context.Canceled}, {expired, context.DeadlineExceeded}}
	type returned struct {
		what      string
		err, want error
	}
	done := make(chan returned, 16)
	for _, c := range calls {
		go func() {
			_, err := tr.Call(c.ctx, service, transports.Message{Body: []byte("frozen")})
			done <- returned{"Call", err, c.want}
		}()
		go func() {
			done <- returned{"Send", tr.Send(c.ctx, service, transports.Message{Body: []byte("frozen")}), c.want}
		}()
		if p, ok := tr.(transports.Pinger); ok {
			go func() { done <- returned{"Ping", p.Ping(c.ctx), c.want} }()
		}
	}
	<-expired.Done() // by now all of them hang, or never will
	cancel()
	n := 4
	if _, ok := tr.(transports.Pinger); ok {
		n = 6
	}
	for range n {
		// The broker is still frozen: it cannot have helped.
		r := receive(e, done, "calls to return while the broker is frozen")
		e.wantError(r.what, r.err, r.want)
	}
	resume()
	if got := e.call(tr, "thawed"); got != "thawed" {
		e.Errorf("the next call got %q", got)
	}
}

func frozenServe(e *env) {
	tr := e.open()
	s := e.serve(tr, transports.Service{Handler: echo})
	e.call(e.open(), "warm")
	e.settled(tr) // a worker whose acknowledgement is under way is not idle
	resume := e.freeze()
	err := s.stop(e)
	resume()
	if err != nil {
		e.Errorf("Serve: %v, want nil", err)
	}
}

func frozenClose(e *env) {
	tr := e.open()
	g := newGate()
	s := e.serve(tr, transports.Service{Handler: g.handle})
	caller := e.open()
	done := e.start(e.patient(), caller, "x")
	receive(e, g.entered, "the handler to start")
	resume := e.freeze()
	closed := make(chan error, 2)
	for _, tr := range []transports.Transport{tr, caller} {
		go func() { closed <- tr.Close() }()
	}
	for range 2 {
		// What it could not give back it may report; what counts is that it returns.
		if err := receive(e, closed, "Close to return while the broker is frozen"); err != nil {
			e.Logf("Close: %v", err)
		}
	}
	e.wantError("waiting Call", receive(e, done, "the waiting call to return").err, transports.ErrClosed)
	e.wantError("Serve", s.wait(e), transports.ErrClosed)
	resume()
}

func thawed(e *env) {
	caller := e.open()
	g := newGate()
	e.serve(e.open(), transports.Service{Handler: g.handle})
	const running = 16
	var calls []<-chan result
	for range running {
		calls = append(calls, e.start(e.patient(), caller, "x"))
	}
	for range running {
		receive(e, g.entered, "the handlers to start")
	}
	resume := e.freeze()
	close(g.release) // results that cannot be delivered now
	resume()
	for _, done := range calls {
		e.wantReply(receive(e, done, "the replies after the broker was frozen"), "x")
	}
	if bodies := drain(g.entered); len(bodies) > 0 {
		e.Errorf("%d messages ran twice", len(bodies))
	}
}

func restartUnderLoad(e *env) {
	const senders, atLeast = 4, 50
	got, handler := recorder()
	e.serve(e.open(), transports.Service{Handler: handler})
	sender := e.open()

	ctx, giveUp := context.WithCancel(e.Context())
	defer giveUp()
	var restarted atomic.Bool
	var sent atomic.Int64
	var mu sync.Mutex
	acknowledged := map[string]bool{} // guarded by mu
	var wg sync.WaitGroup
	for id := range senders {
		wg.Go(func() {
			// Some before the restart, whatever happens during it, and some after.
			for n, after := 0, 0; after < atLeast && ctx.Err() == nil; n++ {
				body := fmt.Sprintf("%d/%d", id, n)
				began := restarted.Load()
				switch err := sender.Send(ctx, service, transports.Message{Body: []byte(body)}); {
				case err == nil:
					sent.Add(1)
					mu.Lock()
					acknowledged[body] = true
					mu.Unlock()
					if began {
						after++
					}
				case errors.Is(err, transports.ErrUnavailable), errors.Is(err, transports.ErrUnknownOutcome):
				default:
					e.Errorf("Send during a restart: %v", err)
					return
				}
			}
		})
	}
	e.poll("messages to be sent", func() bool { return sent.Load() > senders*atLeast })
	e.broker.Restart(e.T)
	restarted.Store(true)
	defer time.AfterFunc(Patience, giveUp).Stop() // not before: a broker may take its time to start
	wg.Wait()

	lost := acknowledged
	for len(lost) > 0 {
		delete(lost, string(receive(e, got, fmt.Sprintf("%d acknowledged messages to run", len(lost))).Body))
	}
}

func callSurvivesRestart(e *env) {
	caller := e.open()
	g := newGate()
	e.serve(e.open(), transports.Service{Handler: g.handle})
	done := e.start(e.patient(), caller, "x")
	receive(e, g.entered, "the handler to start")
	e.broker.Restart(e.T)
	g.release <- struct{}{}
	e.wantReply(receive(e, done, "the reply after the restart"), "x")
}
