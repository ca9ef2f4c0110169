package redislist

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/transporttest"
)

// quick is the algorithm with everything but blocking commands ten times as fast.
func quick() timing {
	t := defaultTiming()
	t.lease = 800 * time.Millisecond
	t.beat = 200 * time.Millisecond
	t.block = time.Second
	t.silence = time.Second
	t.late = 200 * time.Millisecond
	t.twin = 50 * time.Millisecond
	return t
}

func openQuick(tb testing.TB, o Options) *Transport {
	tb.Helper()
	t, err := open(o, quick())
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Suite{
		Broker: func(tb testing.TB, private bool) transporttest.Broker {
			if private {
				server := brokertest.Redis(tb, brokertest.AOF())
				broker := brokerAt(server.URL, "")
				broker.Freeze = func(testing.TB) func() {
					server.Pause()
					return server.Resume
				}
				broker.Restart = func(testing.TB) { server.Restart() }
				return broker
			}
			return brokerAt(brokertest.Namespace(tb))
		},
		Lacks: []transporttest.Feature{transporttest.Binds},
		Skips: []string{"a bound method has workers of its own"},
	})
}

// The broker that `start` falls back to knows fewer commands, and must do all the same.
func TestConformanceOnBuiltInBroker(t *testing.T) {
	transporttest.Run(t, transporttest.Suite{
		Broker: func(tb testing.TB, _ bool) transporttest.Broker {
			server := miniredis.RunT(tb)
			server.ClockTTL(true)
			return brokerAt("redis://"+server.Addr(), "")
		},
		Lacks: []transporttest.Feature{transporttest.Binds, transporttest.Freezes, transporttest.Restarts},
		// It notices only at the end of a blocking command that its client has gone.
		Goroutines: []goleak.Option{
			goleak.IgnoreAnyFunction("github.com/alicebob/miniredis/v2.blocking"),
			goleak.IgnoreAnyFunction("github.com/alicebob/miniredis/v2.blocking.func2"),
			goleak.IgnoreAnyFunction("github.com/alicebob/miniredis/v2.setCondTimer"),
			goleak.IgnoreAnyFunction("github.com/alicebob/miniredis/v2/server.(*Server).servePeer.func2"),
		},
		Skips: []string{
			"a frozen broker holds nobody at a box",
			"a box survives a restart of the broker",
			"a bound method has workers of its own",
			"cancelled calls return while the broker is frozen",
			"an idle worker stops while the broker is frozen",
			"Close returns while the broker is frozen",
			"work goes on after the broker was frozen",
			"a restarted broker loses nothing acknowledged",
			"a call survives a restart of the broker",
		},
	})
}

func brokerAt(url, namespace string) transporttest.Broker {
	return transporttest.Broker{
		Open: func(tb testing.TB, o transporttest.Options) transports.Transport {
			return openQuick(tb, Options{
				URL: url, Namespace: namespace, Catalogue: o.Catalogue, MaxMessage: o.MaxMessage, MaxQueue: o.MaxQueue,
			})
		},
	}
}
