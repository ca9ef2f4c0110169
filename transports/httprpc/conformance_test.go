package httprpc

import (
	"testing"

	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Suite{
		Broker: func(tb testing.TB, private bool) transporttest.Broker {
			s := newSite()
			b := transporttest.Broker{
				Open: func(tb testing.TB, o transporttest.Options) transports.Transport {
					return s.start(tb, Options{Catalogue: o.Catalogue, MaxMessage: o.MaxMessage, MaxQueue: o.MaxQueue}, nil)
				},
			}
			if private {
				s.through = newForwarder(tb)
				b.Freeze = func(testing.TB) func() { return s.through.freeze() }
			}
			return b
		},
		Goroutines: forwarding(),
		// What needs a queue that outlives a process, or a store that processes share.
		Lacks: []transporttest.Feature{
			transporttest.Durable, transporttest.SharedQueue, transporttest.Redelivers, transporttest.Retries,
			transporttest.Buries, transporttest.GivesBack, transporttest.Suspects, transporttest.Follows,
			transporttest.Histories, transporttest.Settles, transporttest.Dedupes, transporttest.Delays, transporttest.Unique,
			transporttest.Caps, transporttest.Mailboxes, transporttest.Binds, transporttest.Describes, transporttest.Locates,
			transporttest.Pauses, transporttest.DeadLetters, transporttest.Restarts,
			transporttest.Pings, // there is no broker that could answer while no service is up
		},
		Skips: []string{
			"a call waits for a worker that is not up yet",
			"an expired request is not executed",
			"a call cancelled while it waits is never begun",
			"a cancelled call is not tried again",
			"messages wait for the first worker, in order",
			"two workers share a name",
			"a stopping worker takes no more",
			"stops under load lose nothing and run nothing twice",
			"Close gives unfinished work to another worker",
			"Close does not wait for a stuck handler",
			"a message can be settled before its handler returns",
			"who holds the settler may end the goroutine",
			"Retry runs a message again, later and counted",
			"a message that waits for its retry survives its worker",
			"a retried message knows how its attempts ended",
			"Bury ends a message and tells its caller",
			"NotMine leaves a message to another worker",
			"Follow sends along with the acknowledgement",
			"Dead leaves with the acknowledgement",
			"what follows may be late and have failed before",
			"a suspect runs again, and its success is its caller's",
			"the fourth death buries a message and tells its caller",
			"a suspect costs its neighbours nothing",
			"an attempt that ends otherwise forgets the deaths before it",
			"a death that was retried counts no more",
			"a kept reply answers the same message again",
			"a key belongs to one method",
			"a kept reply is forgotten in the end",
			"a message waits while the same one runs in another slot",
			"a message waits while the same one runs at another worker",
			"a handler that keeps nothing lets the same message run",
			"a message that waits for the same one may expire",
			"Close lets the same message run elsewhere",
			"NotBefore holds a message back",
			"Unique drops a second message while the first waits",
			"Unique drops nothing once the handler has started",
			"Unique holds while a message is held back",
			"a full queue refuses at once",
			"many senders fill a queue to the last place",
			"a reply stays in its box for whoever asks",
			"those who wait at a box all get the reply",
			"a box that nobody submitted to is none",
			"a box says that its call has expired, and goes",
			"a box says that its call was given up",
			"a reply reaches its box from another worker",
			"what is not submitted leaves no box",
			"a full queue leaves no box",
			"whoever waits at a box can leave",
			"a frozen broker holds nobody at a box",
			"a box survives a restart of the broker",
			"a bound method has workers of its own",
			"an inspector sees announced services and queues",
			"an inspector describes workers",
			"an inspector sees how long the next message has waited",
			"an inspector tells what waits for what",
			"a locator counts those who serve a method",
			"a broker that is up answers a ping",
			"a paused service takes nothing until it is resumed",
			"a paused service finishes what it has begun",
			"a name never announced cannot be paused",
			"dead letters are shown, newest first",
			"a dead letter runs again as a new message",
			"an id that several dead letters have is for one of them",
			"a dead letter is deleted once",
			"a dead letter that many retry runs once",
			"dead letters of a name never announced are an error",
			"work goes on after the broker was frozen",
			"a restarted broker loses nothing acknowledged",
			"a call survives a restart of the broker",
		},
	})
}
