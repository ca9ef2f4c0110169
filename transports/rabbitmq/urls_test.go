package rabbitmq

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// Brokers of a cluster are tried in turn, each time the next.
func TestURLsInTurn(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	first, second := newRelay(t, a.url), newRelay(t, a.url)
	first.refuse(true)
	worker, caller := a.process(through(first.url, second.url)), a.process()
	a.serve(worker, echo, 2)
	a.call(caller, "through the second")
	if n := second.dialed(); n < 2 {
		t.Errorf("%d connections go through the second broker, want both", n)
	}

	first.refuse(false)
	second.kill()
	a.eventually("both connections to go through the first", func() bool { return first.dialed() >= 2 })
	a.call(caller, "through the first")

	first.kill()
	second.refuse(false)
	before := second.dialed()
	a.eventually("both to go through the second again", func() bool { return second.dialed() >= before+2 })
	a.call(caller, "through the second again")
}

// One that refuses is no reason to give the others up.
func TestURLsThatRefuse(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]func(u *url.URL){
		"password":     func(u *url.URL) { u.User = url.UserPassword("nobody", "wrong") },
		"virtual host": func(u *url.URL) { u.Path = "/nowhere" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			u, err := url.Parse(a.url)
			if err != nil {
				t.Fatal("the URL cannot be read")
			}
			wrong(u)
			tr := a.process(through(u.String(), a.url), unhurried)
			a.serve(tr, echo, 2)
			a.eventually("a call to succeed", func() bool {
				_, err := tr.Call(a.ctx(), calculator, transports.Message{})
				if err != nil && (!errors.Is(err, transports.ErrUnavailable) || isRefusal(err)) {
					t.Errorf("call: error %v, want ErrUnavailable and no refusal", err)
				}
				return err == nil
			})

			// When all refuse, that is it.
			_, ended := a.serve(a.process(through(u.String(), u.String()), unhurried), echo, 2)
			if err := ended(); !isRefusal(err) || strings.Contains(err.Error(), u.User.Username()+":") {
				t.Errorf("serve with nothing else: error %v, want a refusal without the password", err)
			}
		})
	}
}

// One that stands still, at whatever point, is left for the next.
func TestURLsThatHang(t *testing.T) {
	t.Parallel()
	for name, at := range map[string][2]uint16{
		"connection.start-ok": {10, 11}, "channel.open": {20, 10}, "queue.declare": {50, 10}, "confirm.select": {85, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			hanging := newRelay(t, a.url)
			hanging.ignore(at[0], at[1])
			short := func(_ *Options, timing *timing) { timing.heartbeat, timing.connect = time.Hour, 2*time.Second }
			tr := a.process(through(hanging.url, a.url), short)
			a.serve(tr, echo, 2)
			a.eventually("a call to succeed", func() bool {
				_, err := tr.Call(a.ctx(), calculator, transports.Message{})
				if err != nil && !errors.Is(err, transports.ErrUnavailable) {
					t.Errorf("call: %v", err)
				}
				return err == nil
			})
			if hanging.dialed() == 0 {
				t.Error("the first broker was not asked")
			}
		})
	}
}

// unhurried gives a broker the three seconds that it takes to refuse a password.
func unhurried(_ *Options, timing *timing) {
	timing.connect, timing.backoff = time.Minute, 100*time.Millisecond
}
