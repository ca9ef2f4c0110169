package rabbitmq

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/journeyman-go/journeyman/transports"
)

// What is stuck where nothing may run beside it lets the others in again when its message
// is settled, and no sooner.
func TestStuckAlone(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	worker := a.process()
	alone, release := make(chan transports.Settler, 1), make(chan struct{})
	defer close(release)
	var settled atomic.Bool
	stop, _ := a.serve(worker, func(ctx context.Context, m transports.Message) transports.Outcome {
		switch {
		case string(m.Body) != "stuck":
			if !settled.Load() {
				t.Error("another message ran beside one that has to run alone")
			}
			return echo(ctx, m)
		case died(m) < 2:
			return transports.Outcome{Verdict: transports.Suspect}
		}
		alone <- transports.SettlerOf(ctx)
		<-release
		return transports.Outcome{Reply: []byte("late")}
	}, 2)
	stuck := a.begin(worker, "stuck")
	settler := await(t, "the message to run alone", alone)
	other := a.begin(worker, "other")
	a.eventually("another to wait", func() bool { q := a.queue(calculator); return q.Ready == 1 })
	settled.Store(true)
	settler.Settle(transports.Outcome{Reply: []byte("from elsewhere")})
	if p := await(t, "the reply from elsewhere", stuck); p.err != nil || p.reply != "from elsewhere" {
		t.Errorf("reply %q, error %v", p.reply, p.err)
	}
	if p := await(t, "the reply to the other one", other); p.err != nil || p.reply != "echo other" {
		t.Errorf("reply %q to the other one, error %v", p.reply, p.err)
	}
	if err := stop(); err != nil { // with the handler still there
		t.Errorf("Serve: %v", err)
	}
}
