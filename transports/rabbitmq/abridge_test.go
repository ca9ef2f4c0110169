package rabbitmq

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// Whoever reads a message finds the same in it whether it was abridged or not.
func TestAbridge(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_789_000_000_123)
	for name, expires := range map[string]time.Time{"expires": now.Add(25 * time.Second), "does not": {}} {
		m := transports.Message{ID: "1-a", Method: "add", Body: []byte("[1]"), Expires: expires, Header: map[string]string{"traceparent": "00-1"}}
		p, err := encode(calculator, m, now)
		if err != nil {
			t.Fatal(err)
		}
		p.AppId, p.Expiration = firstOf, ""
		want := decode(delivered(p), now)
		long := p
		abridge(&p, expires)
		if diff := cmp.Diff(want, decode(delivered(p), now), cmp.AllowUnexported(inbound{})); diff != "" {
			t.Errorf("%s, abridged (-want +got):\n%s", name, diff)
		}
		if p.Headers[headerExpires] != nil || p.Headers[headerEnqueued] != nil || serialOf(p.Headers, p.AppId, p.MessageId) != m.ID {
			t.Errorf("%s: abridged it has the app_id %q and the headers %v", name, p.AppId, p.Headers)
		}
		if diff := cmp.Diff(want, decode(delivered(long), now), cmp.AllowUnexported(inbound{})); diff != "" {
			t.Errorf("%s, the message that was abridged (-want +got):\n%s", name, diff)
		}
	}
}

// A message whose serial is in a header, or that is nobody's first, keeps its headers.
func TestAbridgeOnlyTheFirst(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"", "shop"} {
		p := amqp.Publishing{AppId: app, Timestamp: time.Now(), Headers: amqp.Table{headerEnqueued: int64(1), headerExpires: int64(2)}}
		abridge(&p, time.Now())
		if p.AppId != app || len(p.Headers) != 2 {
			t.Errorf("app_id %q is %q now, and there are the headers %v", app, p.AppId, p.Headers)
		}
	}
}

func TestAbridged(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli
	var none time.Time
	for app, c := range map[string]struct {
		first         bool
		sent, expires time.Time
	}{
		"journeyman 1789000000000 1789000025000":   {true, at(1789000000000), at(1789000025000)},
		"journeyman 1789000000000 0":               {true, at(1789000000000), none},
		"journeyman":                               {true, none, none},
		"journeyman ":                              {true, none, none},
		"journeyman 1789000000000":                 {true, none, none},
		"journeyman 1 2 3":                         {true, none, none},
		"journeyman x 1789000025000":               {true, none, none},
		"journeyman 1789000000000 -1":              {true, at(1789000000000), none},
		"journeyman 1 99999999999999999":           {true, at(1), none},
		"journeyman-board 178900000000 1789000000": {false, none, none},
		"": {false, none, none},
	} {
		sent, expires := abridged(app)
		if isFirst(app) != c.first || !sent.Equal(c.sent) || !expires.Equal(c.expires) {
			t.Errorf("%q is a first one: %v, sent at %v, and expires at %v, want %v", app, isFirst(app), sent, expires, c)
		}
	}
}
