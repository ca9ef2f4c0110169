package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A door is a gateway with an address that outlives its processes, as a router's does.
type door struct {
	port    string
	current *worker
}

func (d *door) url() string { return "http://127.0.0.1:" + d.port }

// open starts a process of the gateway.
func (w *world) open(d *door) {
	if d.port == "" {
		l := w.listen()
		_, d.port, _ = net.SplitHostPort(l.Addr().String())
		_ = l.Close()
	}
	first := d.current == nil
	d.current = w.launch("web", 0, []string{"web"}, "PORT="+d.port)
	if first {
		w.cleanup(func() {
			d.current.signal(syscall.SIGKILL)
			<-d.current.done
		})
	}
	w.eventually(30*time.Second, d.current.name+" to be ready", func() bool {
		r, err := http.Get(d.url() + "/readyz")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// gateway: callers come over HTTP by two gateways, and workers and one of the gateways by
// turns are killed with -9. Each caller gets a reply, or is told whether the outcome is
// unknown; and it is unknown to those alone whose gateway died.
func gateway(w *world) {
	w.startBroker()
	w.callersDie = true
	w.startAll(3)
	doors := []*door{{}, {}}
	l := w.ordinary()
	l.mix = []kind{call, notify, call, call}
	l.rate = 200
	for _, d := range doors {
		w.open(d)
		l.via = append(l.via, w.caller(d.url()), w.caller(d.url()))
	}
	t := w.begin(l)
	if w.wire.leases {
		w.sleep(lease)
	}
	var workers, gateways []death
	kills := 0
	for want := pick(w, 6, 60); len(workers)+len(gateways) < want && kills < want*3/2; kills++ {
		if kills%2 == 0 {
			if d := w.killBusiest(); len(d.held) > 0 {
				workers = append(workers, d)
			}
		} else {
			d := doors[w.chance.IntN(len(doors))]
			at := time.Now()
			d.current.signal(syscall.SIGKILL)
			<-d.current.done
			gateways = append(gateways, death{pid: d.current.pid(), at: at})
			w.say("killed %s", d.current.name)
			w.sleep(100 * time.Millisecond) // in which callers find nobody
			w.open(d)
		}
		w.sleep(3 * time.Second)
	}
	t.settle(45 * time.Second)
	w.figure("faults", fmt.Sprintf("%d times kill -9: %d workers that ran something, %d gateways", kills, len(workers), len(gateways)))
	w.want(len(workers)+len(gateways) >= pick(w, 6, 60), "%d kills were telling", len(workers)+len(gateways))

	c := t.judge()
	c.show(w)
	c.demand(w)
	w.zero("calls expired", c.expired)
	w.zero("calls answered with an error", c.answered)
	w.gatewaysTold(t, gateways)
	w.zero("replies for dead gateways that would stay for ever", w.broker.replies().eternal)
	for _, d := range doors {
		code, _ := d.current.stop(15 * time.Second)
		w.want(code == 0, "%s ended with %d", d.current.name, code)
	}
	w.recovered(workers, w.within(w.wire.recovery))
	w.finish()
}

// gatewaysTold wants callers to have been told the truth: what they were told was refused
// never ran, and an outcome is unknown only where the gateway died under the request.
func (w *world) gatewaysTold(t *traffic, deaths []death) {
	ranAll, groundless := 0, 0
	for _, d := range deaths {
		under := 0
		for _, j := range t.all() {
			if errors.Is(j.err, transports.ErrUnknownOutcome) && during(j, d) {
				under++
			}
		}
		w.want(under > 0, "no request was under way in a gateway that was killed at %s", d.at.Format("15:04:05.000"))
	}
	for _, j := range t.all() {
		switch {
		case refused(j.err) && len(w.ledger.started(j.id)) > 0:
			ranAll++
		case errors.Is(j.err, transports.ErrUnknownOutcome):
			found := false
			for _, d := range deaths {
				found = found || during(j, d)
			}
			if !found {
				groundless++
			}
		}
	}
	w.zero("requests that ran although their callers were told otherwise", ranAll)
	w.zero("unknown outcomes with no gateway that died", groundless)
}

// during reports whether somebody died while a request was under way, or as good as.
func during(j job, d death) bool {
	return j.sent.Before(d.at.Add(100*time.Millisecond)) && j.back.After(d.at)
}
