package rabbitmq

import (
	"log/slog"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/transporttest"
)

// quick is the algorithm with its intervals as short as AMQP allows.
func quick() timing {
	t := defaultTiming()
	t.heartbeat = time.Second
	t.write = time.Second
	t.connect = 3 * time.Second
	t.backoff = 500 * time.Millisecond
	t.second = time.Second
	t.third = time.Second
	t.alone = 20 * time.Second
	return t
}

func openQuick(tb testing.TB, o Options) *Transport {
	tb.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
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
				node := brokertest.RabbitMQ(tb)
				broker := brokerAt(node.URL)
				broker.Freeze = func(testing.TB) func() {
					node.Pause()
					return node.Resume
				}
				broker.Restart = func(testing.TB) { node.Restart() }
				return broker
			}
			return brokerAt(brokertest.Vhost(tb))
		},
		Lacks: []transporttest.Feature{
			transporttest.Cancels,   // a queue gives out messages, and takes none out for anybody
			transporttest.Unique,    // nor tells what is in it
			transporttest.Dedupes,   // it keeps no replies
			transporttest.Caps,      // a quorum queue keeps its limit only about; see TestFullQueue
			transporttest.Locates,   // it counts consumers and does not know them
			transporttest.Describes, //
			transporttest.Pauses, transporttest.Inspects, transporttest.DeadLetters, transporttest.Pings,
		},
		Skips: []string{},
	})
}

func brokerAt(url string) transporttest.Broker {
	return transporttest.Broker{
		Open: func(tb testing.TB, o transporttest.Options) transports.Transport {
			return openQuick(tb, Options{
				URLs: []string{url}, Catalogue: o.Catalogue, MaxMessage: o.MaxMessage, MaxQueue: o.MaxQueue,
			})
		},
	}
}
