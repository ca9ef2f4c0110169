package redislist

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/transporttest"
)

func fastTiming() timing {
	t := defaultTiming()
	t.lease = 800 * time.Millisecond
	t.beat = 100 * time.Millisecond
	t.sweep = 100 * time.Millisecond
	t.block = time.Second
	return t
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Suite{
		Broker: func(tb testing.TB, private bool) transporttest.Broker {
			ns := uuid.NewString()
			return transporttest.Broker{
				Open: func(tb testing.TB, o transporttest.Options) transports.Transport {
					tr, err := open(Options{URL: "redis://127.0.0.1:7399", Namespace: ns, Catalogue: o.Catalogue, MaxMessage: o.MaxMessage}, fastTiming())
					if err != nil {
						tb.Fatal(err)
					}
					return tr
				},
			}
		},
		Lacks: []transporttest.Feature{transporttest.Unique, transporttest.Keeps, transporttest.Pauses, transporttest.Restarts},
	})
}
