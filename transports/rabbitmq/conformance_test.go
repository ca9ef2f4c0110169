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
	t.late = 200 * time.Millisecond
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
			transporttest.Describes, // for the same reason
			transporttest.Pauses,    // a queue gives out what it has
		},
		Skips: []string{
			"a call cancelled while it waits is never begun",
			"a cancelled call ends its handler's context",
			"a cancelled call is not tried again",
			"a kept reply answers the same message again",
			"a key belongs to one method",
			"a kept reply is forgotten in the end",
			"a message waits while the same one runs in another slot",
			"a message waits while the same one runs at another worker",
			"a handler that keeps nothing lets the same message run",
			"a message that waits for the same one may expire",
			"Close lets the same message run elsewhere",
			"Unique drops a second message while the first waits",
			"Unique drops nothing once the handler has started",
			"Unique holds while a message is held back",
			"a full queue refuses at once",
			"many senders fill a queue to the last place",
			"a full queue leaves no box",
			"an inspector describes workers",
			"a locator counts those who serve a method",
			"a paused service takes nothing until it is resumed",
			"a paused service finishes what it has begun",
			"a name never announced cannot be paused",
		},
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
