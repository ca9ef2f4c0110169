package runner

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/journeyman-go/journeyman/transports"
)

// A recorder is a transport that keeps what is sent through it.
type recorder struct {
	transports.Transport
	sent []transports.Message
	err  error // of every call
}

func (r *recorder) Send(_ context.Context, _ string, m transports.Message) error {
	r.sent = append(r.sent, m)
	return nil
}

func (r *recorder) Call(_ context.Context, _ string, m transports.Message) ([]byte, error) {
	r.sent = append(r.sent, m)
	return nil, r.err
}

// record has the commands of a site go through a recorder.
func record(s *site) *recorder {
	r := new(recorder)
	open := s.open
	s.opener = func(t Target) (Link, error) {
		s.opener = nil
		link, err := open(t)
		r.Transport, link.Transport = link.Transport, r
		return link, err
	}
	return r
}

// What the flags say is what leaves.
func TestSendFlags(t *testing.T) {
	isolate(t, nil)
	at := time.Date(2030, 12, 31, 9, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		args []string
		want transports.Message
	}{
		"none":   {[]string{"notify"}, transports.Message{}},
		"at":     {[]string{"notify", "--at", "2030-12-31T10:00:00+01:00"}, transports.Message{NotBefore: at}},
		"past":   {[]string{"notify", "--at", "2001-12-31T10:00:00+01:00"}, transports.Message{}},
		"keys":   {[]string{"notify", "--unique", "report:42", "--key", "order-42"}, transports.Message{Unique: "report:42", Key: "order-42"}},
		"a call": {[]string{"call", "--key", "order-42"}, transports.Message{Key: "order-42"}},
	} {
		s := newSite()
		r := record(s)
		r.err = transports.ErrBusy
		s.run(t, append(tt.args, "tester", "echo")...)
		tt.want.Method = "echo"
		if d := cmp.Diff([]transports.Message{tt.want}, r.sent, cmpopts.IgnoreFields(transports.Message{}, "Body")); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	s := newSite()
	r := record(s)
	before := time.Now()
	got := s.run(t, "notify", "--in", "2h", "tester", "echo")
	after := time.Now()
	if len(r.sent) != 1 || r.sent[0].NotBefore.Before(before.Add(2*time.Hour)) || r.sent[0].NotBefore.After(after.Add(2*time.Hour)) {
		t.Errorf("in 2h: %+v, sent %+v", got, r.sent)
	}
}

// Who is told that a request was given up is told where it can be seen.
func TestCallBuried(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	record(s).err = transports.ErrBuried
	want := result{3, "", "app: call tester.echo: message given up; see \"app dead list tester\"\n"}
	if d := cmp.Diff(want, s.run(t, "call", "tester", "echo")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// Who waits in vain for a service that somebody has paused is told so.
func TestCallPaused(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_URL": "redis://h"})
	for name, broker := range map[string]*fakeBroker{
		"up":   {status: []transports.ServiceStatus{{Name: "tester", Paused: true, Consumers: new(int64(1)), Workers: make([]transports.WorkerStatus, 1)}}},
		"down": {status: []transports.ServiceStatus{{Name: "tester", Paused: true, Consumers: new(int64(0))}}},
	} {
		got := newSite().with(broker.open).run(t, "call", "--timeout", "10ms", "tester", "echo")
		want := result{3, "", "app: tester did not answer within 10ms; it is paused until \"app resume tester\"\n"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
