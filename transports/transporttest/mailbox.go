package transporttest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

func mailboxCases() []testCase {
	return []testCase{
		{name: "a reply stays in its box for whoever asks", needs: []Feature{Mailboxes}, run: boxKeeps},
		{name: "those who wait at a box all get the reply", needs: []Feature{Mailboxes}, run: boxShared},
		{name: "a box that nobody submitted to is none", needs: []Feature{Mailboxes}, run: boxUnknown},
		{name: "a box says that its call has expired, and goes", needs: []Feature{Mailboxes}, run: boxExpires},
		{name: "a box says that its call was given up", needs: []Feature{Mailboxes, Suspects}, run: boxBuried},
		{name: "a reply reaches its box from another worker", needs: []Feature{Mailboxes, Redelivers}, run: boxRedelivered},
		{name: "what is not submitted leaves no box", needs: []Feature{Mailboxes}, run: boxRefused},
		{name: "a full queue leaves no box", needs: []Feature{Mailboxes, Caps}, run: boxFull},
		{name: "whoever waits at a box can leave", needs: []Feature{Mailboxes}, run: boxLeft},
		{name: "a frozen broker holds nobody at a box", needs: []Feature{Mailboxes, Freezes}, run: boxFrozen},
		{name: "a box survives a restart of the broker", needs: []Feature{Mailboxes, Restarts, Durable}, run: boxRestart},
	}
}

const kept = time.Minute // for replies that a case collects

func newBox() string {
	name := make([]byte, 16)
	_, _ = rand.Read(name) // never fails
	return hex.EncodeToString(name)
}

// mailbox is tr as one, which it must be.
func (e *env) mailbox(tr transports.Transport) transports.Mailbox {
	e.Helper()
	m, ok := tr.(transports.Mailbox)
	if !ok {
		e.Fatalf("%T is no transports.Mailbox", tr)
	}
	return m
}

// submit submits a call with a box of its own.
func (e *env) submit(tr transports.Transport, body string) (box string) {
	e.Helper()
	box = newBox()
	m := transports.Message{Method: "test", Body: []byte(body), Expires: time.Now().Add(2 * Patience)}
	if err := e.mailbox(tr).Submit(e.patient(), service, box, m, kept); err != nil {
		e.Fatalf("Submit: %v", err)
	}
	return box
}

func (e *env) collect(tr transports.Transport, box string, wait time.Duration) result {
	e.Helper()
	got, err := e.mailbox(tr).Collect(e.patient(), service, box, wait)
	return result{string(got), err}
}

func boxKeeps(e *env) {
	g := newGate()
	e.serve(e.open(), transports.Service{Handler: g.handle})
	submitter, other := e.open(), e.open()
	box := e.submit(submitter, "x")
	m := receive(e, g.entered, "the handler to start")
	if in := time.Until(m.Expires); in < Patience || in > 3*Patience {
		e.Errorf("the message expires in %v, want %v", in, 2*Patience)
	}
	e.wantError("Collect before the reply", e.collect(other, box, 0).err, transports.ErrPending)
	e.wantError("Collect before the reply, after a while", e.collect(other, box, soon).err, transports.ErrPending)
	if err := submitter.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	g.release <- struct{}{}
	e.wantReply(e.collect(other, box, Patience), "x")
	e.wantReply(e.collect(e.open(), box, 0), "x")
	e.wantReply(e.collect(other, box, 0), "x")

	// An empty reply is one, too.
	box = e.submit(other, "")
	g.release <- struct{}{}
	e.wantReply(e.collect(other, box, Patience), "")
}

func boxShared(e *env) {
	g := newGate()
	e.serve(e.open(), transports.Service{Handler: g.handle})
	first, second := e.open(), e.open()
	box := e.submit(first, "x")
	receive(e, g.entered, "the handler to start")
	got := make(chan result, 8)
	for i := range cap(got) {
		go func() { got <- e.collect([]transports.Transport{first, second}[i%2], box, Patience) }()
	}
	e.meanwhile()
	if len(got) > 0 {
		e.Fatalf("before the reply, Collect returned %+v", <-got)
	}
	g.release <- struct{}{}
	for range cap(got) {
		e.wantReply(receive(e, got, "everybody to get the reply"), "x")
	}
}

func boxUnknown(e *env) {
	tr := e.open()
	e.serve(e.open(), transports.Service{Handler: echo})
	box := e.submit(tr, "x")
	for _, wait := range []time.Duration{0, Patience} {
		began := time.Now()
		e.wantError("Collect from an unknown box", e.collect(tr, newBox(), wait).err, transports.ErrNoBox)
		if time.Since(began) > Patience/2 {
			e.Error("Collect waited at a box that is none")
		}
	}
	for _, name := range []string{"", "x", strings.ToUpper(box), box + "0", box[1:], service, strings.Repeat("*", 32)} {
		if r := e.collect(tr, name, 0); r.err == nil || errors.Is(r.err, transports.ErrPending) {
			e.Errorf("Collect from the box %q returned %+v", name, r)
		}
		m := transports.Message{Expires: time.Now().Add(Patience)}
		if err := e.mailbox(tr).Submit(e.patient(), service, name, m, kept); err == nil {
			e.Errorf("Submit with the box %q was taken", name)
		}
	}
	e.wantReply(e.collect(tr, box, Patience), "x") // as before
}

func boxExpires(e *env) {
	tr := e.open()
	box := newBox()
	m := transports.Message{Body: []byte("x"), Expires: time.Now().Add(soon)}
	if err := e.mailbox(tr).Submit(e.patient(), service, box, m, 4*soon); err != nil {
		e.Fatalf("Submit: %v", err)
	}
	e.wantError("Collect past the deadline", e.collect(tr, box, Patience).err, transports.ErrExpired)
	e.poll("the box to go", func() bool {
		err := e.collect(tr, box, 0).err
		if !errors.Is(err, transports.ErrExpired) && !errors.Is(err, transports.ErrNoBox) {
			e.Fatalf("after it had expired, Collect returned error %v", err)
		}
		return errors.Is(err, transports.ErrNoBox)
	})
	e.wantError("Collect from a box that has gone", e.collect(tr, box, Patience).err, transports.ErrNoBox)
}

func boxBuried(e *env) {
	_, handler := suspecting(deadly)
	e.serve(e.open(), transports.Service{Slots: 2, Handler: handler})
	tr := e.open()
	box := e.submit(tr, "poison")
	for _, wait := range []time.Duration{Patience, 0} {
		e.wantError("Collect", e.collect(tr, box, wait).err, transports.ErrBuried)
	}
}

func boxRedelivered(e *env) {
	first, tr := e.open(), e.open()
	g := newGate()
	e.serve(first, transports.Service{Handler: g.handle})
	box := e.submit(tr, "x")
	receive(e, g.entered, "the handler to start")
	if err := first.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	e.wantError("Collect", e.collect(tr, box, 0).err, transports.ErrPending)
	e.serve(e.open(), transports.Service{Handler: func(context.Context, transports.Message) transports.Outcome {
		return reply("from the second")
	}})
	e.wantReply(e.collect(tr, box, Patience), "from the second")
	e.wantReply(e.collect(e.open(), box, 0), "from the second")
}

func boxRefused(e *env) {
	tr := e.openWith(Options{Catalogue: []string{service}, MaxMessage: 1000})
	in := time.Now().Add(Patience)
	for _, refused := range []struct {
		what, service string
		m             transports.Message
		want          error
	}{
		{"Submit to a name that nobody announced", "nobody", transports.Message{Expires: in}, transports.ErrNoService},
		{"Submit of a long message", service, transports.Message{Expires: in, Body: make([]byte, 2000)}, transports.ErrTooLarge},
		{"Submit of a unique message", service, transports.Message{Expires: in, Unique: "u"}, transports.ErrUnsupported},
		{"Submit of a delayed message", service, transports.Message{Expires: in, NotBefore: in}, transports.ErrUnsupported},
		{"Submit without a deadline", service, transports.Message{}, nil},
	} {
		box := newBox()
		err := e.mailbox(tr).Submit(e.patient(), refused.service, box, refused.m, kept)
		if refused.want != nil {
			e.wantError(refused.what, err, refused.want)
		} else if err == nil {
			e.Errorf("%s was taken", refused.what)
		}
		e.poll("the box to be none", func() bool { return errors.Is(e.collect(tr, box, 0).err, transports.ErrNoBox) })
	}
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	err := e.mailbox(tr).Submit(ctx, service, newBox(), transports.Message{Expires: in}, kept)
	e.wantError("Submit with a context that has ended", err, context.Canceled)
	got, handler := recorder()
	e.serve(e.open(), transports.Service{Handler: handler})
	e.wantReply(e.collect(tr, e.submit(tr, "x"), Patience), "x")
	receive(e, got, "the one message")
	if len(got) > 0 {
		e.Errorf("something that was refused ran: %q", drain(got))
	}
}

func boxFull(e *env) {
	tr := e.openWith(Options{Catalogue: []string{service}, MaxQueue: 1})
	first, second := e.submit(tr, "first"), newBox()
	m := transports.Message{Expires: time.Now().Add(Patience)}
	e.wantError("Submit to a full queue", e.mailbox(tr).Submit(e.patient(), service, second, m, kept), transports.ErrBusy)
	e.wantError("Collect", e.collect(tr, second, 0).err, transports.ErrNoBox)
	e.serve(e.open(), transports.Service{Handler: echo})
	e.wantReply(e.collect(tr, first, Patience), "first")
}

func boxLeft(e *env) {
	tr, other := e.open(), e.open()
	box := e.submit(tr, "x")
	ctx, cancel := context.WithCancel(e.Context())
	got := make(chan error, 1)
	wait := func(ctx context.Context, tr transports.Transport) {
		_, err := e.mailbox(tr).Collect(ctx, service, box, Patience)
		got <- err
	}
	go wait(ctx, tr)
	e.meanwhile()
	cancel()
	e.wantError("Collect whose context ended", receive(e, got, "Collect to return"), context.Canceled)
	go wait(e.patient(), tr)
	e.meanwhile()
	if err := tr.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	e.wantError("Collect during Close", receive(e, got, "Collect to return"), transports.ErrClosed)
	e.wantError("Collect after Close", e.collect(tr, box, Patience).err, transports.ErrClosed)
	m := transports.Message{Expires: time.Now().Add(Patience)}
	e.wantError("Submit after Close", e.mailbox(tr).Submit(e.patient(), service, newBox(), m, kept), transports.ErrClosed)

	// What they had in hand is there for others.
	e.serve(e.open(), transports.Service{Handler: echo})
	e.wantReply(e.collect(other, box, Patience), "x")
}

func boxFrozen(e *env) {
	tr := e.open()
	box := e.submit(tr, "x")
	waiting := make(chan error, 3)
	ctx, cancel := context.WithCancel(e.Context())
	collect := func(wait time.Duration) {
		_, err := e.mailbox(tr).Collect(ctx, service, box, wait)
		waiting <- err
	}
	go collect(Patience)
	e.meanwhile()
	resume := e.freeze()
	go collect(Patience)
	go func() {
		m := transports.Message{Expires: time.Now().Add(Patience)}
		waiting <- e.mailbox(tr).Submit(ctx, service, newBox(), m, kept)
	}()
	passed, stop := context.WithTimeout(e.Context(), soon)
	defer stop()
	<-passed.Done()
	cancel()
	for range cap(waiting) {
		e.wantError("what a frozen broker holds up", receive(e, waiting, "everybody to leave"), context.Canceled)
	}
	resume()
	e.serve(e.open(), transports.Service{Handler: echo})
	e.wantReply(e.collect(tr, box, Patience), "x")
}

func boxRestart(e *env) {
	tr := e.open()
	g := newGate()
	e.serve(e.open(), transports.Service{Handler: g.handle})
	done, pending := e.submit(tr, "done"), e.submit(tr, "pending")
	receive(e, g.entered, "the first handler to start")
	receive(e, g.entered, "the second handler to start")
	g.release <- struct{}{}
	first, second := done, pending
	// Which of the two was let through is chance.
	e.poll("one of the replies", func() bool {
		if e.collect(tr, first, 0).err != nil {
			first, second = second, first
			return false
		}
		return true
	})
	got := make(chan result, 1)
	go func() { got <- e.collect(tr, second, Patience) }()
	e.broker.Restart(e.T)
	e.poll("the reply to be there again", func() bool { return e.collect(tr, first, 0).err == nil })
	close(g.release)
	want := map[string]string{done: "done", pending: "pending"}
	e.wantReply(e.collect(e.open(), first, Patience), want[first])
	e.wantReply(e.collect(e.open(), second, Patience), want[second])
	e.wantReply(receive(e, got, "whoever waited all the time"), want[second])
}
