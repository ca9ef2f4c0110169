package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// A ledger is what a broker keeps of one channel.
type ledger struct {
	mu     sync.Mutex
	out    map[uint64]bool // given out and not settled
	acked  map[uint64]bool
	back   map[uint64]bool
	frames []ack
	wrong  []string
	gone   error // what acknowledgements end in
}

func newLedger(given ...uint64) *ledger {
	l := &ledger{out: make(map[uint64]bool), acked: make(map[uint64]bool), back: make(map[uint64]bool)}
	for _, n := range given {
		l.out[n] = true
	}
	return l
}

func (l *ledger) Ack(number uint64, multiple bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		return l.gone
	}
	l.frames = append(l.frames, ack{number, multiple})
	if !l.out[number] {
		l.wrong = append(l.wrong, fmt.Sprintf("%d is acknowledged and is not out", number))
	}
	for n := range l.out {
		if n == number || multiple && n < number {
			delete(l.out, n)
			l.acked[n] = true
		}
	}
	return nil
}

func (l *ledger) Nack(number uint64, multiple, requeue bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.out[number] || multiple || !requeue {
		l.wrong = append(l.wrong, fmt.Sprintf("%d is refused: out %v, multiple %v, to be delivered again %v", number, l.out[number], multiple, requeue))
	}
	delete(l.out, number)
	l.back[number] = true
	return nil
}

func (l *ledger) Reject(number uint64, requeue bool) error { return l.Nack(number, false, requeue) }

// to returns receipts of what is out.
func (l *ledger) to() *receipts {
	r := &receipts{broker: l, gather: func(do func()) { do() }, settled: func(*entry, delivery, error) {}}
	for n := range l.out {
		r.note(n)
	}
	return r
}

func numbered(n uint64) delivery { return delivery{Delivery: amqp.Delivery{DeliveryTag: n}} }

// One frame does for many, up to the first that is still being worked on.
func TestReceiptsInMultiples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		out, signed []uint64
		want        []ack
	}{
		{[]uint64{1}, []uint64{1}, []ack{{1, false}}},
		{[]uint64{1, 2, 3}, []uint64{3, 1, 2}, []ack{{3, true}}},
		{[]uint64{1, 2, 3, 4}, []uint64{1, 2, 4}, []ack{{2, true}, {4, false}}},
		{[]uint64{1, 2, 3}, []uint64{3, 2}, []ack{{2, false}, {3, false}}},
		{[]uint64{1, 2, 3, 4}, []uint64{1, 3, 4}, []ack{{1, false}, {3, false}, {4, false}}},
		{[]uint64{7, 9}, []uint64{9, 7}, []ack{{9, true}}},
	} {
		l := newLedger(c.out...)
		r := l.to()
		r.signing = true // somebody else is about to take them along
		for _, n := range c.signed {
			r.sign(receipt{nil, numbered(n)})
		}
		if len(l.frames) > 0 {
			t.Errorf("%v: two write at once", c.signed)
		}
		_, acks := r.collect()
		if err := r.send(acks); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c.want, l.frames, cmp.AllowUnexported(ack{})); diff != "" {
			t.Errorf("of %v the messages %v have ended (-want +got):\n%s", c.out, c.signed, diff)
		}
		if batch, _ := r.collect(); batch != nil || r.signing {
			t.Errorf("%v: %d are left, and somebody signs: %v", c.signed, len(batch), r.signing)
		}
	}
}

// Whatever ends when, and however: what is acknowledged has been signed, and what was
// refused has not been.
func TestReceiptsOfMany(t *testing.T) {
	t.Parallel()
	const messages, atOnce = 4000, 32
	l := newLedger()
	r := l.to()
	var mu sync.Mutex
	told := make(map[uint64]int)
	r.settled = func(_ *entry, d delivery, err error) {
		mu.Lock()
		defer mu.Unlock()
		told[d.DeliveryTag]++
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil || !l.acked[d.DeliveryTag] {
			t.Errorf("%d is said to be acknowledged, error %v, and is not", d.DeliveryTag, err)
		}
	}
	var signed, refused []uint64
	var working sync.WaitGroup
	prefetch := make(chan struct{}, atOnce)
	for n := uint64(1); n <= messages; n++ {
		prefetch <- struct{}{}
		l.mu.Lock()
		l.out[n] = true
		l.mu.Unlock()
		r.note(n)
		again := rand.IntN(10) == 0
		if again {
			refused = append(refused, n)
		} else {
			signed = append(signed, n)
		}
		working.Go(func() {
			if again {
				r.refuse(n)
			} else {
				r.sign(receipt{nil, numbered(n)})
			}
			<-prefetch
		})
	}
	working.Wait()
	got := func(of map[uint64]bool) (numbers []uint64) {
		for n := range of {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		return numbers
	}
	if diff := cmp.Diff(signed, got(l.acked)); diff != "" {
		t.Errorf("acknowledged (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(refused, got(l.back)); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	for _, n := range signed {
		if told[n] != 1 {
			t.Errorf("of %d it was told %d times", n, told[n])
		}
	}
	if len(l.wrong) > 0 || len(l.out) > 0 || len(r.open) > 0 {
		t.Errorf("wrong: %v; %d are out; %d are open", l.wrong, len(l.out), len(r.open))
	}
}

// A number that is being refused is out until the broker has been told.
func TestRefusedMeanwhile(t *testing.T) {
	t.Parallel()
	l := newLedger(1, 2, 3)
	r := l.to()
	r.broker = interrupted{l, func() {
		r.signing = true
		r.sign(receipt{nil, numbered(2)})
		r.sign(receipt{nil, numbered(3)})
		_, acks := r.collect()
		if err := r.send(acks); err != nil {
			t.Error(err)
		}
	}}
	r.refuse(1)
	if !l.back[1] || l.acked[1] || len(l.acked) != 2 {
		t.Errorf("acknowledged %v, refused %v, want 1 to be refused alone", l.acked, l.back)
	}
}

// interrupted has something happen before a refusal is written.
type interrupted struct {
	*ledger
	first func()
}

func (i interrupted) Nack(number uint64, multiple, requeue bool) error {
	i.first()
	return i.ledger.Nack(number, multiple, requeue)
}

// What cannot be written is told to all whom it was to acknowledge.
func TestReceiptsLost(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	l := newLedger(1, 2, 3, 4)
	r := l.to()
	l.gone = broken
	var lost []uint64
	r.settled = func(_ *entry, d delivery, err error) {
		if errors.Is(err, broken) {
			lost = append(lost, d.DeliveryTag)
		}
	}
	r.signing = true
	r.sign(receipt{nil, numbered(1)}, receipt{nil, numbered(2)})
	r.signing = false
	r.sign(receipt{nil, numbered(4)})
	if diff := cmp.Diff([]uint64{1, 2, 4}, lost); diff != "" {
		t.Errorf("told of the loss of (-want +got):\n%s", diff)
	}
}

// A message that was delivered again while it was being acknowledged is acknowledged once
// more, as it came last.
func TestDeliveredAgainWhileAcknowledged(t *testing.T) {
	t.Parallel()
	srv := &server{Transport: &Transport{}, desk: newDesk()}
	outdated, latest := newLedger(5), newLedger(1)
	from := func(l *ledger, n uint64, again bool) *entry {
		e := arriving("a", n, again)
		e.delivery.receipts = l.to()
		e.delivery.receipts.settled = srv.acknowledged
		return e
	}
	e := from(outdated, 5, false)
	srv.desk.want(t, e, arrivedNew)
	srv.desk.end(e)
	before := srv.desk.latest(e)
	srv.desk.want(t, from(latest, 1, true), arrivedAgain)
	before.receipts.sign(receipt{e, before})
	if !latest.acked[1] || len(latest.frames) != 1 {
		t.Errorf("the latest delivery is acknowledged by %v, want once", latest.frames)
	}
	if n := srv.Counts().Stale; n != 0 {
		t.Errorf("%d results are counted as stale", n)
	}
	srv.desk.want(t, from(newLedger(2), 2, true), arrivedDone)

	// An acknowledgement that cannot be written is counted, and ends the message here.
	e = arriving("b", 6, false)
	gone := newLedger(6)
	gone.gone = errors.New("gone")
	e.delivery.receipts = gone.to()
	e.delivery.receipts.settled = srv.acknowledged
	srv.desk.want(t, e, arrivedNew)
	srv.desk.end(e)
	srv.acknowledge(e)
	if n := srv.Counts().Stale; n != 1 || len(srv.desk.open) > 0 {
		t.Errorf("%d results are counted as stale, %d messages are in hand; want 1 and none", n, len(srv.desk.open))
	}
}

// Many are acknowledged while one that came before them is still being run: that one
// comes again when its connection breaks.
func TestAcknowledgedAroundALongOne(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	worker, caller := a.process(through(relay.url)), a.process()
	begun, release := make(chan struct{}, 1), make(chan struct{})
	a.serve(worker, func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "long" {
			begun <- struct{}{}
			<-release
		}
		return echo(ctx, m)
	}, 16)
	long := a.begin(caller, "long")
	await(t, "the long one to begin", begun)
	var calls sync.WaitGroup
	const short = 200
	want := make([]string, short)
	for i := range short {
		want[i] = fmt.Sprintf("%03d", i)
		calls.Go(func() {
			if _, err := caller.Call(a.ctx(), calculator, transports.Message{Body: []byte(want[i])}); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	a.eventually("the short ones to be acknowledged", func() bool { return len(relay.acked()) >= short })
	acked := relay.acked()
	slices.Sort(acked)
	if diff := cmp.Diff(want, acked); diff != "" {
		t.Errorf("acknowledged (-want +got):\n%s", diff)
	}
	relay.cut()
	a.eventually("the long one to come again", func() bool { return worker.Counts().Rejoined == 1 })
	close(release)
	if p := await(t, "the reply", long); p.err != nil {
		t.Error(p.err)
	}
	a.eventually("it to be acknowledged", func() bool { return len(relay.acked()) == short+1 })
}
