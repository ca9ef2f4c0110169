package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func small(queue int) func(*Options, *timing) {
	return func(o *Options, _ *timing) { o.MaxQueue = queue }
}

// A quorum queue keeps to its limit only about: what is on its way when it finds
// itself full is still taken.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	const limit, senders = 10, 8
	caller := a.process(small(limit))
	var mu sync.Mutex
	taken := make(map[string]int)
	var sending sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for i := 0; ; i++ {
				body := fmt.Sprint(sender, " ", i)
				err := caller.Send(a.ctx(), calculator, transports.Message{Body: []byte(body)})
				if err != nil {
					if !errors.Is(err, transports.ErrBusy) {
						t.Errorf("send: %v, want ErrBusy", err)
					}
					return
				}
				mu.Lock()
				taken[body] = 1
				mu.Unlock()
				if i == 100*limit {
					t.Errorf("%d messages were taken from one sender", i)
					return
				}
			}
		})
	}
	sending.Wait()
	// Each sender has one message on its way, and hears a few messages late that the queue is full.
	if len(taken) < limit || len(taken) > limit+20*senders {
		t.Errorf("a queue for %d took %d", limit, len(taken))
	}
	t.Logf("a queue for %d took %d", limit, len(taken))
	if _, err := caller.Call(a.ctx(), calculator, transports.Message{}); !errors.Is(err, transports.ErrBusy) {
		t.Errorf("call: error %v, want ErrBusy", err)
	}

	// All that was taken runs, and then there is room.
	var runs journal
	a.serve(a.process(small(limit)), runs.echo, 4)
	a.eventually("all to run", func() bool { return len(runs.read()) >= len(taken) })
	a.eventually("room", func() bool {
		_, err := caller.Call(a.ctx(), calculator, transports.Message{Body: []byte("last")})
		if err != nil && !errors.Is(err, transports.ErrBusy) {
			t.Errorf("call: %v", err)
		}
		return err == nil
	})
	taken["last"] = 1
	if diff := cmp.Diff(taken, runs.read()); diff != "" {
		t.Errorf("taken and run (-want +got):\n%s", diff)
	}
}

// The only slot wants to put its message back into a queue that is full, and that it
// alone could empty.
func TestRetryIntoFullQueue(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	const limit = 2
	caller, worker := a.process(small(limit)), a.process(small(limit))
	begun, full := make(chan struct{}, 1), make(chan struct{})
	var runs journal
	a.serve(worker, func(_ context.Context, m transports.Message) transports.Outcome {
		runs.note(m.Body)
		if string(m.Body) == "first" && m.Failures == 0 {
			begun <- struct{}{}
			<-full
			return transports.Outcome{Verdict: transports.Retry, Err: errors.New("not yet")}
		}
		return transports.Outcome{}
	}, 1)
	send := func(body string) error {
		return caller.Send(a.ctx(), calculator, transports.Message{Body: []byte(body)})
	}
	if err := send("first"); err != nil {
		t.Fatal(err)
	}
	await(t, "the handler", begun)
	want := map[string]int{"first": 2}
	for i := 0; ; i++ {
		body := fmt.Sprint("filler ", i)
		err := send(body)
		if errors.Is(err, transports.ErrBusy) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want[body] = 1
	}
	close(full)
	a.eventually("all to run", func() bool { return cmp.Equal(want, runs.read()) })
}
