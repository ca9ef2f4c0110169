package transporttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func deadLetterCases() []testCase {
	return []testCase{
		{name: "dead letters are shown, newest first", needs: []Feature{Buries, DeadLetters}, run: showDead},
		{name: "a dead letter runs again as a new message", needs: []Feature{Buries, DeadLetters}, run: retryDead},
		{name: "an id that several dead letters have is for one of them", needs: []Feature{Buries, DeadLetters}, run: retryDeadTwins},
		{name: "a dead letter is deleted once", needs: []Feature{Buries, DeadLetters}, run: deleteDead},
		{name: "a dead letter that many retry runs once", needs: []Feature{Buries, DeadLetters}, run: retryDeadAtOnce},
		{name: "dead letters of a name never announced are an error", needs: []Feature{DeadLetters}, run: deadOfNobody},
	}
}

// deadLetters returns those of service, newest first.
func (e *env) deadLetters(tr transports.Transport) []transports.DeadLetter {
	e.Helper()
	var all []transports.DeadLetter
	err := tr.(transports.DeadLetterQueue).DeadLetters(e.patient(), service, func(d transports.DeadLetter) bool {
		all = append(all, d)
		return true
	})
	if err != nil {
		e.Fatalf("DeadLetters: %v", err)
	}
	return all
}

func (e *env) awaitDead(tr transports.Transport, n int) (all []transports.DeadLetter) {
	e.Helper()
	e.poll(fmt.Sprint(n, " dead letters"), func() bool {
		all = e.deadLetters(tr)
		return len(all) == n
	})
	return all
}

func deadIDs(all []transports.DeadLetter) []string {
	var ids []string
	for _, d := range all {
		ids = append(ids, d.ID)
	}
	return ids
}

// A mended handler buries all until it is mended, and reports what it runs then.
type mended struct {
	broken atomic.Bool
	got    chan delivered
}

type delivered struct {
	m           transports.Message
	hasDeadline bool
}

func (h *mended) handle(ctx context.Context, m transports.Message) transports.Outcome {
	o := echo(ctx, m)
	if h.broken.Load() {
		o.Verdict, o.Err = transports.Bury, errors.New("hopeless: "+string(m.Body))
		return o
	}
	_, has := ctx.Deadline()
	h.got <- delivered{m, has}
	return o
}

// bury serves on tr and buries messages with the ids given, one after the other.
func (e *env) bury(tr transports.Transport, ids ...string) *mended {
	e.Helper()
	h := &mended{got: make(chan delivered, 64)}
	h.broken.Store(true)
	e.serve(tr, transports.Service{Slots: 1, Handler: h.handle})
	for i, id := range ids {
		// A call, so that there is a deadline and a reply address to be forgotten.
		m := transports.Message{
			ID: id, Key: "key of " + id, Method: "add", Body: []byte("body of " + id), Header: map[string]string{"principal": "zoë"},
		}
		if _, err := tr.Call(e.patient(), service, m); err != nil {
			e.Fatalf("Call: %v", err)
		}
		e.awaitDead(tr, i+1)
	}
	h.broken.Store(false)
	return h
}

func showDead(e *env) {
	before := time.Now()
	tr := e.open()
	e.bury(tr, "id-1", "id-2", "id-3")
	viewer := e.open()
	all := e.deadLetters(viewer)
	if diff := cmp.Diff([]string{"id-3", "id-2", "id-1"}, deadIDs(all)); diff != "" {
		e.Fatalf("dead letters (-want +got):\n%s", diff)
	}
	for _, d := range all {
		m := d.Message
		if m.ID != d.ID || m.Method != "add" || string(m.Body) != "body of "+d.ID || m.Header["principal"] != "zoë" || m.Failures != 1 {
			e.Errorf("dead letter %s holds another message than was sent, or has not failed once: %+v", d.ID, m)
		}
		if !recent(d.Buried, before) || d.Deaths != 0 || !strings.Contains(d.Reason, "hopeless: body of "+d.ID) {
			e.Errorf("dead letter %s: buried %v, %d deaths, reason %q", d.ID, d.Buried, d.Deaths, d.Reason)
		}
		if e.suite.lacks(Histories) {
			continue
		}
		if len(m.History) != 1 || m.History[0].Died || !recent(m.History[0].At, before) || !strings.Contains(m.History[0].Error, "hopeless") {
			e.Errorf("history of dead letter %s: %+v, want the one attempt", d.ID, m.History)
		}
	}

	var seen []string
	err := viewer.(transports.DeadLetterQueue).DeadLetters(e.patient(), service, func(d transports.DeadLetter) bool {
		seen = append(seen, d.ID)
		return len(seen) < 2
	})
	if diff := cmp.Diff([]string{"id-3", "id-2"}, seen); diff != "" || err != nil {
		e.Errorf("error %v; seen until told to stop (-want +got):\n%s", err, diff)
	}
}

func retryDead(e *env) {
	tr := e.open()
	h := e.bury(tr, "id-1", "id-2", "id-3")
	n, err := e.open().(transports.DeadLetterQueue).RetryDead(e.patient(), service, "id-2", "unknown")
	if n != 1 || err != nil {
		e.Errorf("RetryDead returned %d and error %v, want 1", n, err)
	}
	got := receive(e, h.got, "the message to run again")
	m := got.m
	// With the id that others know it by, and the key that keeps its effects single.
	if m.ID != "id-2" || m.Key != "key of id-2" || m.Method != "add" || string(m.Body) != "body of id-2" || m.Header["principal"] != "zoë" {
		e.Errorf("another message runs than was buried: %+v", m)
	}
	if !m.Unread {
		e.Error("its handler is not told that nobody reads the reply")
	}
	if m.Failures != 0 || !m.Expires.IsZero() || got.hasDeadline {
		e.Errorf("%d failures, expires %v, context with a deadline: %v; want none of it", m.Failures, m.Expires, got.hasDeadline)
	}
	if !e.suite.lacks(Histories) && (len(m.History) != 1 || !strings.Contains(m.History[0].Error, "hopeless")) {
		e.Errorf("history %+v, want the one attempt", m.History)
	}
	if diff := cmp.Diff([]string{"id-3", "id-1"}, deadIDs(e.deadLetters(tr))); diff != "" {
		e.Errorf("dead letters that are left (-want +got):\n%s", diff)
	}

	h.broken.Store(true)
	if n, err := tr.(transports.DeadLetterQueue).RetryDead(e.patient(), service, "id-1"); n != 1 || err != nil {
		e.Errorf("RetryDead returned %d and error %v, want 1", n, err)
	}
	e.poll("it to be buried again, as the newest", func() bool {
		return cmp.Equal([]string{"id-1", "id-3"}, deadIDs(e.deadLetters(tr)))
	})
}

func retryDeadTwins(e *env) {
	tr := e.open()
	got := make(chan string, 16)
	var mended atomic.Bool
	e.serve(tr, transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		o := echo(ctx, m)
		if mended.Load() {
			got <- string(m.Body)
		} else {
			o.Verdict, o.Err = transports.Bury, errors.New("hopeless")
		}
		return o
	}})
	for i := range 3 {
		e.send(tr, transports.Message{ID: "id-1", Body: fmt.Append(nil, "message ", i)})
		e.awaitDead(tr, i+1)
	}
	mended.Store(true)
	dlq := tr.(transports.DeadLetterQueue)
	if n, err := dlq.RetryDead(e.patient(), service, "id-1"); n != 1 || err != nil {
		e.Errorf("RetryDead returned %d and error %v, want 1", n, err)
	}
	if body := receive(e, got, "one of them to run"); body != "message 0" {
		e.Errorf("%q runs, want the oldest", body)
	}
	if n, err := dlq.DeleteDead(e.patient(), service, "id-1", "id-1", "id-1"); n != 2 || err != nil {
		e.Errorf("DeleteDead returned %d and error %v, want 2", n, err)
	}
	if left := e.deadLetters(tr); len(left) != 0 {
		e.Errorf("dead letters that are left: %+v", left)
	}
}

func deleteDead(e *env) {
	tr := e.open()
	h := e.bury(tr, "id-1", "id-2", "id-3")
	dlq := tr.(transports.DeadLetterQueue)
	for _, want := range []int{2, 0} {
		n, err := dlq.DeleteDead(e.patient(), service, "id-1", "unknown", "id-3")
		if n != want || err != nil {
			e.Errorf("DeleteDead returned %d and error %v, want %d", n, err, want)
		}
		if diff := cmp.Diff([]string{"id-2"}, deadIDs(e.deadLetters(tr))); diff != "" {
			e.Errorf("dead letters that are left (-want +got):\n%s", diff)
		}
	}
	if n, err := dlq.RetryDead(e.patient(), service, "id-1"); n != 0 || err != nil {
		e.Errorf("RetryDead of a deleted one returned %d and error %v, want 0", n, err)
	}
	e.meanwhile()
	if len(h.got) > 0 {
		e.Error("a deleted message ran")
	}
}

func retryDeadAtOnce(e *env) {
	tr := e.open()
	h := e.bury(tr, "id-1", "id-2")
	ctx := e.patient()
	var found atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		dlq := e.open().(transports.DeadLetterQueue)
		for range 2 {
			wg.Go(func() {
				n, err := dlq.RetryDead(ctx, service, "id-1", "id-2")
				if err != nil {
					e.Errorf("RetryDead: %v", err)
				}
				found.Add(int64(n))
			})
		}
	}
	wg.Wait()
	if n := found.Load(); n != 2 {
		e.Errorf("found %d dead letters in all, want 2", n)
	}
	for range 2 {
		receive(e, h.got, "both to run")
	}
	e.call(tr, "marker")
	if got := receive(e, h.got, "the marker"); string(got.m.Body) != "marker" {
		e.Errorf("%q ran again", got.m.Body)
	}
}

func deadOfNobody(e *env) {
	dlq := e.open().(transports.DeadLetterQueue)
	e.wantError("DeadLetters", dlq.DeadLetters(e.patient(), "nobody", func(transports.DeadLetter) bool { return true }), transports.ErrNoService)
	_, err := dlq.RetryDead(e.patient(), "nobody", "id-1")
	e.wantError("RetryDead", err, transports.ErrNoService)
	_, err = dlq.DeleteDead(e.patient(), "nobody", "id-1")
	e.wantError("DeleteDead", err, transports.ErrNoService)
}
