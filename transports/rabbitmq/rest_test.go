package rabbitmq

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// resting returns receipts of what is out, of a broker that gives out so many, in the
// moment after others have left.
func (l *ledger) resting(room int) *receipts {
	r := l.to()
	r.room, r.left = room, time.Now()
	return r
}

// written returns the frames since it was asked last.
func (l *ledger) written() []ack {
	l.mu.Lock()
	defer l.mu.Unlock()
	frames := l.frames
	l.frames = nil
	return frames
}

// has returns how many messages are acknowledged.
func (l *ledger) has() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

func TestReceiptsRest(t *testing.T) {
	t.Parallel()
	type step struct {
		take, rest, sign uint64 // a number, 0: none
		wait             time.Duration
		want             []ack // written by then
	}
	next := func(n uint64, want ...ack) step { return step{take: n, rest: n, want: want} }
	for name, c := range map[string]struct {
		room  int
		out   uint64 // the highest number that is out from the beginning
		steps []step
	}{
		"while there is more to do": {8, 4, []step{
			{rest: 2, want: []ack{{2, false}}}, {rest: 1}, {wait: ackPause - 1}, {rest: 3}, {wait: 1, want: []ack{{3, true}}},
		}},
		"while nothing else ends": {8, 4, []step{
			{rest: 2, want: []ack{{2, false}}}, {rest: 1}, {wait: ackPause - 1}, {wait: 1, want: []ack{{1, false}}}, {wait: time.Hour},
		}},
		"until there is more to do": {32, 1, []step{
			{rest: 1}, {wait: ackPause}, next(2), {take: 3}, {take: 4, rest: 3, want: []ack{{3, true}}},
			{rest: 4}, {wait: mostRest - 1}, {wait: 1, want: []ack{{4, false}}},
		}},
		"less long with others": {32, 2, []step{
			{sign: 1, want: []ack{{1, false}}}, {rest: 2}, {take: 4}, {take: 3, rest: 3}, {wait: ackPause - 1},
			{wait: 1, want: []ack{{3, true}}},
		}},
		"taken along": {8, 4, []step{
			{rest: 2, want: []ack{{2, false}}}, {rest: 1}, {sign: 3, want: []ack{{3, true}}}, {wait: time.Hour},
		}},
		"one after the other": {32, 0, []step{
			next(1), next(2), next(3), next(4), next(5), next(6), next(7), next(8, ack{8, true}),
			{wait: time.Hour}, next(9), {wait: mostRest - 1}, {wait: 1, want: []ack{{9, false}}},
		}},
		"as long as the first may": {32, 1, []step{
			{rest: 1}, {wait: mostRest / 2}, next(2), {wait: mostRest/2 - 1}, {wait: 1, want: []ack{{2, true}}},
		}},
		"as long as each may": {32, 1, []step{
			{rest: 1}, {wait: mostRest / 2}, next(2), {take: 3, sign: 3, want: []ack{{3, true}}},
			next(4), {wait: mostRest - 1}, {wait: 1, want: []ack{{4, false}}}, // the time of the first ones is over before that
		}},
		"while more than half is taken": {7, 4, []step{
			{rest: 4, want: []ack{{4, false}}}, {rest: 2}, {wait: ackPause, want: []ack{{2, false}}},
		}},
		"while all is taken": {4, 4, []step{{rest: 4, want: []ack{{4, false}}}, {rest: 3, want: []ack{{3, false}}}, {rest: 1}}},
		"until all is taken": {4, 1, []step{
			{rest: 1}, next(2), {take: 3}, {take: 4, want: []ack{{2, true}}},
		}},
		"one at a time": {1, 1, []step{{rest: 1, want: []ack{{1, false}}}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger()
			r := l.resting(c.room)
			time.Sleep(ackPause)
			take := func(n uint64) {
				l.out[n] = true
				r.note(n)
			}
			for n := range c.out {
				take(n + 1)
			}
			for i, s := range c.steps {
				if s.take > 0 {
					take(s.take)
				}
				switch {
				case s.rest > 0:
					r.rest(receipt{nil, numbered(s.rest)})
				case s.sign > 0:
					r.sign(receipt{nil, numbered(s.sign)})
				}
				time.Sleep(s.wait)
				synctest.Wait()
				if diff := cmp.Diff(s.want, l.written(), cmp.AllowUnexported(ack{})); diff != "" {
					t.Errorf("%s, step %d (-want +got):\n%s", name, i, diff)
				}
			}
			r.finish()
			time.Sleep(mostRest)
			synctest.Wait()
			if len(r.signed) > 0 || r.signing || !r.rings.IsZero() || len(l.wrong) > 0 {
				t.Errorf("%s: %d are left, somebody signs: %v, or waits: %v; wrong: %v", name, len(r.signed), r.signing, !r.rings.IsZero(), l.wrong)
			}
		})
	}
}

// Whoever finishes waits for what others write, and for what they have taken along.
func TestReceiptsFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(1, 2, 3)
		r := l.resting(8)
		written := make(chan struct{})
		r.broker = slow{l, written}
		var finished atomic.Int32
		r.rest(receipt{nil, numbered(1)})
		time.Sleep(mostRest)
		synctest.Wait() // it is being written
		r.sign(receipt{nil, numbered(3)})
		for range 2 {
			go func() { r.finish(); finished.Add(1) }()
			synctest.Wait()
		}
		written <- struct{}{}
		synctest.Wait()
		if finished.Load() != 0 || l.has() != 1 {
			t.Errorf("%d have finished when %d of 2 are acknowledged", finished.Load(), l.has())
		}
		close(written)
		synctest.Wait()
		if finished.Load() != 2 || l.has() != 2 {
			t.Errorf("%d of 2 have finished, and %d of 2 are acknowledged", finished.Load(), l.has())
		}
	})
}

// slow has each acknowledgement wait for a signal.
type slow struct {
	*ledger
	written chan struct{}
}

func (s slow) Ack(number uint64, multiple bool) error {
	<-s.written
	return s.ledger.Ack(number, multiple)
}

// idle returns a server that no broker gives anything.
func idle(t *testing.T, h transports.Handler) *server {
	t.Helper()
	tr, err := open(Options{URLs: []string{"amqp://localhost"}}, quick())
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t.Context(), tr, transports.Service{Name: calculator, Handler: h, Slots: 8})
	t.Cleanup(func() {
		s.pool.Close()
		s.abandon(nil)
		s.stop(nil)
		_ = tr.Close()
	})
	return s
}

// A message is over when it is acknowledged: a server that stops waits for that, and so
// does what has to run alone.
func TestOverWhenAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := idle(t, func(context.Context, transports.Message) transports.Outcome { return transports.Outcome{} })
		l := newLedger(1, 2)
		r := l.resting(8)
		r.settled = s.acknowledged
		for n := range uint64(2) {
			s.take(calculator, delivery{amqp.Delivery{DeliveryTag: n + 1, MessageId: fmt.Sprint(n)}, r, ordinaryWork})
		}
		synctest.Wait()
		if l.has() > 0 {
			t.Error("acknowledgements do not rest")
		}
		if !s.crowd.gone(t.Context()) || l.has() != 2 {
			t.Errorf("one that has to run alone may begin when %d of 2 are acknowledged", l.has())
		}
		s.tasks.Wait()
		if n := len(s.desk.open); n > 0 {
			t.Errorf("%d messages are in hand", n)
		}
	})
}

// A message waits for the acknowledgement of another one with its id, but not for that to
// have rested.
func TestSameIDAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(1, 2)
		r := l.resting(8)
		var ran atomic.Int32
		s := idle(t, func(context.Context, transports.Message) transports.Outcome {
			if n := ran.Add(1); n == 2 && l.has() != 1 {
				t.Error("the second one runs before the first one is acknowledged")
			}
			return transports.Outcome{}
		})
		r.settled = s.acknowledged
		began := time.Now()
		for n := range uint64(2) {
			s.take(calculator, delivery{amqp.Delivery{DeliveryTag: n + 1, MessageId: "the same"}, r, ordinaryWork})
			synctest.Wait()
		}
		if waited := time.Since(began); ran.Load() != 2 || waited != 0 {
			t.Errorf("%d of 2 have run after %v", ran.Load(), waited)
		}
		s.tasks.Wait()
	})
}

// What rests when its channel is closed is acknowledged before.
func TestRestsAtTheEnd(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	tr := a.process()
	a.announced(tr)
	relay := newRelay(t, a.url)
	ch := (&app{t, relay.url}).channel()
	st := &stand{server: newServer(a.Context(), tr, transports.Service{Name: calculator, Slots: 8}), queue: calculator}
	on := &receipts{channel: ch, broker: ch, gather: func(do func()) { do() }, settled: func(*entry, delivery, error) {}, room: 8}
	st.keep(on)
	deliveries, err := ch.Consume(calculator, "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.put(a.channel(), "", calculator, amqp.Publishing{Body: []byte("1")})
	d := await(t, "the message", deliveries)
	on.note(d.DeliveryTag)
	on.signed = append(on.signed, receipt{nil, delivery{Delivery: d}})
	st.close()
	if diff := cmp.Diff([]string{"1"}, relay.acked()); diff != "" {
		t.Errorf("acknowledged before the channel is closed (-want +got):\n%s", diff)
	}
}

// A worker that stops leaves nothing that runs again.
func TestStopWhileAcknowledgementsRest(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process()
	a.announced(caller)
	const rounds = 5
	var runs journal
	want := make(map[string]int)
	for round := range rounds {
		worker := a.process()
		ran := make(chan struct{}, 8)
		stop, _ := a.serve(worker, func(ctx context.Context, m transports.Message) transports.Outcome {
			runs.note(m.Body)
			defer func() { ran <- struct{}{} }()
			if m.Method == "notify" {
				return transports.Outcome{}
			}
			return echo(ctx, m)
		}, 16)
		body := fmt.Sprint("call ", round)
		want[body] = 1
		a.call(caller, body)
		await(t, "the call", ran)
		body = fmt.Sprint("job ", round) // last, or it would be waited for with the call
		want[body] = 1
		if err := caller.Send(a.ctx(), calculator, transports.Message{Method: "notify", Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		await(t, "the job", ran)
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if n := worker.Counts(); n.Doubted != 0 || n.Stale != 0 {
			t.Errorf("round %d: %d came again, and %d could not be acknowledged", round, n.Doubted, n.Stale)
		}
	}
	a.eventually("the queue to be empty", func() bool { q := a.queue(calculator); return q != nil && q.Ready+q.Unacked == 0 })
	if diff := cmp.Diff(want, runs.read()); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}
