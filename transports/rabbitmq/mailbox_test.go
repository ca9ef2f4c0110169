package rabbitmq

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

const aBox = "0123456789abcdef0123456789abcdef"

// What other languages see: a queue with a slip in it, and then the reply, which waits
// there for as long as the queue is.
func TestBoxOnTheWire(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process()
	expires := time.Now().Add(2 * time.Hour)
	m := transports.Message{ID: "id-1", Body: []byte("x"), Expires: expires}
	if err := caller.Submit(a.ctx(), calculator, aBox, m, 3*time.Hour); err != nil {
		t.Fatal(err)
	}
	const queue = "journeyman.reply.box." + aBox
	q := a.queue(queue)
	if q == nil || !q.Durable || q.Type != "classic" {
		t.Fatalf("the box is %+v, want a durable classic queue", q)
	}
	if ms, ok := q.Arguments["x-expires"].(float64); !ok || time.Duration(ms)*time.Millisecond < 5*time.Hour-time.Minute || len(q.Arguments) != 2 {
		t.Errorf("arguments of the box: %v, want x-expires of 5 h", q.Arguments)
	}
	ch := a.channel()
	request, ok, err := ch.Get(calculator, true)
	if err != nil || !ok || request.ReplyTo != queue || request.CorrelationId != "id-1" {
		t.Fatalf("the request is %+v, %v, error %v; want its reply_to to be the box", request, ok, err)
	}
	a.put(ch, "", calculator, amqp.Publishing{Body: request.Body, ReplyTo: request.ReplyTo, CorrelationId: request.CorrelationId, Headers: request.Headers})
	a.serve(a.process(), echo, 1)
	if got, err := caller.Collect(a.ctx(), calculator, aBox, patience); string(got) != "echo x" || err != nil {
		t.Fatalf("Collect returned %q and error %v", got, err)
	}
	type seen struct {
		Type, Body, ID, Expiration string
		Mode                       uint8
	}
	var held []seen
	for range 2 {
		d, ok, err := ch.Get(queue, false)
		if err != nil || !ok {
			t.Fatalf("%v, error %v; %d messages in the box, want 2", ok, err, len(held))
		}
		if len(held) == 0 {
			late := quick().late
			want := amqp.Table{"expires": expires.UnixMilli(), "until": expires.Add(late + 3*time.Hour).UnixMilli()}
			if diff := cmp.Diff(want, amqp.Table{"expires": d.Headers["expires"], "until": d.Headers["until"]}); diff != "" {
				t.Errorf("headers of the slip (-want +got):\n%s", diff)
			}
		}
		held = append(held, seen{d.ContentType, string(d.Body), d.CorrelationId, d.Expiration, d.DeliveryMode})
	}
	want := []seen{{"application/vnd.journeyman.slip", "", "", "", 2}, {"application/json", "echo x", "id-1", "", 2}}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("the box (-want +got):\n%s", diff)
	}
}

// Whoever looks again and again does not keep a box for ever.
func TestBoxGoesInItsTime(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	tr := a.process()
	a.serve(tr, echo, 1)
	m := transports.Message{Body: []byte("x"), Expires: time.Now().Add(3 * time.Second)}
	if err := tr.Submit(a.ctx(), calculator, aBox, m, time.Second); err != nil {
		t.Fatal(err)
	}
	if got, err := tr.Collect(a.ctx(), calculator, aBox, patience); string(got) != "echo x" || err != nil {
		t.Fatalf("Collect returned %q and error %v", got, err)
	}
	a.eventually("the box to go", func() bool {
		got, err := tr.Collect(a.ctx(), calculator, aBox, 0)
		if string(got) != "echo x" && !errors.Is(err, transports.ErrNoBox) {
			t.Fatalf("Collect returned %q and error %v", got, err)
		}
		return err != nil
	})
	if q := a.queue(tr.names.box(aBox)); q != nil {
		t.Errorf("there is %+v yet", q)
	}
}

// More may wait than there are channels for.
func TestManyWaitAtBoxes(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	tr := a.process()
	tr.waiting = make(chan struct{}, 2)
	const n = 8
	boxes := make([]string, n)
	for i := range boxes {
		boxes[i] = strings.Repeat(string(rune('0'+i)), 32)
		m := transports.Message{Body: []byte(boxes[i]), Expires: time.Now().Add(time.Hour)}
		if err := tr.Submit(a.ctx(), calculator, boxes[i], m, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	collected := make(chan error, n)
	for _, box := range boxes {
		go func() {
			got, err := tr.Collect(a.ctx(), calculator, box, patience)
			if err == nil && string(got) != "echo "+box {
				err = errors.New("the reply of another: " + string(got))
			}
			collected <- err
		}()
	}
	a.serve(a.process(), echo, 1)
	for range n {
		if err := await(t, "everybody to get a reply", collected); err != nil {
			t.Error(err)
		}
	}
}

func TestIsBox(t *testing.T) {
	t.Parallel()
	for queue, want := range map[string]bool{
		names{}.box(aBox): true, names{"shop"}.box(aBox): true, names{"journeyman.reply"}.box(aBox): true,
		names{}.reply("x"): false, names{"shop"}.reply("x"): false, "calculator": false, "": false, "journeyman.reply.": false,
	} {
		if isBox(queue) != want {
			t.Errorf("%q is a box: %v", queue, !want)
		}
	}
	s := &server{Transport: &Transport{names: names{"shop"}}}
	s.opts.Namespace = "shop"
	if !s.mayAnswer(names{"shop"}.box(aBox)) || s.names.takesBundles(names{"shop"}.box(aBox)) {
		t.Error("a box is no queue for single replies")
	}
}
