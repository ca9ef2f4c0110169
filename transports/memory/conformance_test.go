package memory_test

import (
	"log/slog"
	"testing"

	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
	"github.com/journeyman-go/journeyman/transports/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Suite{
		Broker: func(testing.TB, bool) transporttest.Broker {
			b := memory.New()
			return transporttest.Broker{
				Open: func(_ testing.TB, o transporttest.Options) transports.Transport {
					return b.Open(memory.Options{
						Catalogue: o.Catalogue, MaxMessage: o.MaxMessage, MaxQueue: o.MaxQueue,
						Log: discard(),
					})
				},
			}
		},
		// There is nothing between this broker and its users that could fail.
		Lacks: []transporttest.Feature{transporttest.Settles, transporttest.Binds, transporttest.Freezes, transporttest.Restarts},
		Skips: []string{
			"a message can be settled before its handler returns",
			"who holds the settler may end the goroutine",
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

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
