package rabbitmq

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/journeyman-go/journeyman/transports"
)

// tidy fails the test if goroutines are left at its end. Call it before anything is
// started; a test that does runs by itself.
func tidy(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if !t.Failed() {
			goleak.VerifyNone(t, before)
		}
	})
}

// closes has a process close, and waits for that and for the end of its Serve.
func (a *app) closes(tr *Transport, ended func() error) {
	a.Helper()
	closed := make(chan error, 1)
	go func() { closed <- tr.Close() }()
	if err := await(a, "Close to return", closed); err != nil {
		a.Errorf("Close: %v", err)
	}
	if err := ended(); !errors.Is(err, transports.ErrClosed) {
		a.Errorf("Serve returned %v, want ErrClosed", err)
	}
}

// blind has nothing notice a broker that stands still, but contexts and Close.
func blind(_ *Options, timing *timing) {
	timing.heartbeat, timing.write, timing.connect, timing.giveUp = time.Hour, time.Hour, time.Hour, time.Hour
	timing.closing = time.Second
}

// hasty is for brokers that are not there: nobody need wait for them.
func hasty(_ *Options, timing *timing) {
	timing.connect, timing.giveUp, timing.closing = 500*time.Millisecond, 500*time.Millisecond, time.Second
}

func brief300(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestFrozenBrokerHoldsNobody(t *testing.T) {
	a := newApp(t)
	tidy(t)
	relay := newRelay(t, a.url)
	tr := a.process(through(relay.url), blind)
	begun := make(chan struct{}, 1)
	_, ended := a.serve(tr, func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "long" {
			begun <- struct{}{}
			<-ctx.Done()
		}
		return transports.Outcome{Reply: m.Body}
	}, 4)
	long := a.begin(tr, "long")
	await(t, "the handler", begun)
	a.call(tr, "short")

	thaw := relay.freeze()
	defer thaw() // after Close
	if _, err := tr.Call(brief300(t), calculator, transports.Message{Body: []byte("late")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call: error %v, want the deadline's", err)
	}
	err := tr.Send(brief300(t), calculator, transports.Message{Body: []byte("late")})
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, transports.ErrUnknownOutcome) {
		t.Errorf("send of what the socket takes: error %v, want the deadline's and ErrUnknownOutcome", err)
	}
	// More than sockets buffer: the first is stuck half written, and the second behind it.
	large := transports.Message{Body: make([]byte, DefaultMaxMessage)}
	err = tr.Send(brief300(t), calculator, large)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, transports.ErrUnknownOutcome) {
		t.Errorf("send of what the socket does not take: error %v, want the deadline's and ErrUnknownOutcome", err)
	}
	err = tr.Send(brief300(t), calculator, large)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, transports.ErrUnknownOutcome) {
		t.Errorf("send behind a stuck one: error %v, want the deadline's alone", err)
	}
	if _, err := tr.Call(brief300(t), calculator, large); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call behind a stuck send: error %v, want the deadline's", err)
	}
	a.closes(tr, ended)
	if p := await(t, "the call to end", long); !errors.Is(p.err, transports.ErrClosed) {
		t.Errorf("the call that waited: error %v, want ErrClosed", p.err)
	}
}

// A connection on which the broker stays silent is given up, and with it what waits
// for a confirm; those who come later are refused, and served again after a while.
func TestFrozenBrokerIsNoticed(t *testing.T) {
	a := newApp(t)
	tidy(t)
	relay := newRelay(t, a.url)
	tr := a.process(through(relay.url))
	_, ended := a.serve(tr, echo, 4)
	a.call(tr, "before")
	thaw := relay.freeze()
	if err := tr.Send(a.ctx(), calculator, transports.Message{Body: []byte("lost")}); !errors.Is(err, transports.ErrUnknownOutcome) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send: error %v, want ErrUnknownOutcome long before the deadline", err)
	}
	if err := tr.Send(a.ctx(), calculator, transports.Message{}); !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("send later: error %v, want ErrUnavailable", err)
	}
	if _, err := tr.Call(a.ctx(), calculator, transports.Message{}); !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("call later: error %v, want ErrUnavailable", err)
	}
	thaw()
	a.eventually("a call to succeed", func() bool {
		_, err := tr.Call(a.ctx(), calculator, transports.Message{Body: []byte("after")})
		if err != nil && !errors.Is(err, transports.ErrUnavailable) && !errors.Is(err, transports.ErrUnknownOutcome) {
			t.Errorf("call after the thaw: %v", err)
		}
		return err == nil
	})
	a.closes(tr, ended)
}

// A broker in need sends heartbeats and reads nothing. What is half written is then
// given up; nothing else would end it.
func TestDeafBroker(t *testing.T) {
	a := newApp(t)
	tidy(t)
	relay := newRelay(t, a.url)
	tr := a.process(through(relay.url), blind, func(_ *Options, timing *timing) { timing.write = 500 * time.Millisecond })
	_, ended := a.serve(tr, echo, 4)
	a.call(tr, "before")
	relay.deafen()
	err := tr.Send(a.ctx(), calculator, transports.Message{Body: make([]byte, DefaultMaxMessage)})
	if !errors.Is(err, transports.ErrUnknownOutcome) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send: error %v, want ErrUnknownOutcome long before the deadline", err)
	}
	a.closes(tr, ended)
}

// Brokers that stand still before they are of any use. In each state calls are
// refused, or end with their context; Close ends all.
func TestNeverConnected(t *testing.T) {
	const channelClass, open = 20, 10
	for state, prepare := range map[string]func(t *testing.T, r *relay){
		"the handshake hangs":      func(t *testing.T, r *relay) { r.ignore(10, 11) }, // connection.start-ok
		"nothing connects":         func(t *testing.T, r *relay) { r.freeze() },
		"it opens no channels":     func(t *testing.T, r *relay) { r.ignore(channelClass, open) },
		"it confirms no publisher": func(t *testing.T, r *relay) { r.ignore(85, 10) }, // confirm.select
		"it gives no consumer":     func(t *testing.T, r *relay) { r.ignore(basic, 20) },
		"it refuses":               func(t *testing.T, r *relay) { r.refuse(true) },
		"nobody listens":           func(t *testing.T, r *relay) { _ = r.listener.Close() },
	} {
		t.Run(state, func(t *testing.T) {
			a := newApp(t)
			tidy(t)
			relay := newRelay(t, a.url)
			prepare(t, relay)

			hurried := a.process(through(relay.url), blind)
			_, ended := a.serve(hurried, echo, 1)
			if _, err := hurried.Call(brief300(t), calculator, transports.Message{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("call with a deadline: error %v, want the deadline's", err)
			}
			a.closes(hurried, ended)

			quick := a.process(through(relay.url), hasty)
			_, ended = a.serve(quick, echo, 1)
			if _, err := quick.Call(a.ctx(), calculator, transports.Message{}); !errors.Is(err, transports.ErrUnavailable) {
				t.Errorf("call: error %v, want ErrUnavailable", err)
			}
			a.closes(quick, ended)
		})
	}
}

// A host that does not answer at all is no reason to wait for it with Close.
func TestCloseWhileDialing(t *testing.T) {
	a := &app{t, ""}
	tidy(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tr := a.process(through("amqp://u:p@"+listener.Addr().String()), blind)
	_, ended := a.serve(tr, echo, 1)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a.closes(tr, ended)
}

// Heartbeats of the broker still arrive, so only an answer that does not come can tell
// that it hears nothing. Its own patience would end after two heartbeats of ours.
func TestBrokerThatHearsNothing(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	r := newRelay(t, a.url)
	caller := a.process(through(r.url), func(_ *Options, timing *timing) {
		timing.heartbeat, timing.connect = 6*time.Second, time.Second
	})
	a.announced(caller)
	s, err := caller.publishing.session(a.ctx(), forever)
	if err != nil {
		t.Fatal(err)
	}
	r.deafen()
	err = caller.Send(a.ctx(), calculator, transports.Message{Body: []byte("unheard")})
	if !errors.Is(err, transports.ErrUnknownOutcome) || !errors.Is(err, errUnanswered) {
		t.Errorf("Send: error %v, want ErrUnknownOutcome, since the broker did not answer", err)
	}
	if !s.isLost() {
		t.Error("the connection is still used")
	}
}
