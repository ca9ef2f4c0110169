// Package transporttest is the conformance suite that every transport runs:
// the contract of package transports, written as tests.
//
// A transport's own test tells the suite how to come by a broker and what the
// wire cannot do:
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, transporttest.Suite{
//			Broker: func(tb testing.TB, private bool) transporttest.Broker {
//				b := memory.New()
//				return transporttest.Broker{
//					Open: func(tb testing.TB, o transporttest.Options) transports.Transport {
//						return b.Open(memory.Options{Catalogue: o.Catalogue, MaxMessage: o.MaxMessage, MaxQueue: o.MaxQueue})
//					},
//				}
//			},
//			Lacks: []transporttest.Feature{transporttest.Freezes, transporttest.Restarts},
//			Skips: []string{"…"}, // exactly the cases that go unrun for it
//		})
//	}
//
// Cases assert what happened in which order, never how fast. Where they must
// wait for something they wait for a signal, and give up after Patience.
package transporttest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/journeyman-go/journeyman/transports"
)

// Patience is how long a case waits for what must happen before it fails. Only
// a broken transport makes a case wait that long.
const Patience = 30 * time.Second

// A Suite says how to test one transport.
type Suite struct {
	// Broker makes or borrows a broker for one case. Nothing that another case
	// sent may be seen through it. With private set the case will freeze or
	// restart the broker, which then must be nobody else's. What it needs to
	// undo it leaves to tb.Cleanup.
	Broker func(tb testing.TB, private bool) Broker

	// Lacks lists what the transport cannot do. What is not listed is demanded.
	Lacks []Feature

	// Goroutines are the broker's own, where it runs in the test's process: those
	// that come and go with connections and are no leak of the transport.
	Goroutines []goleak.Option

	// Skips lists the names of the cases that go unrun for it, in the suite's
	// order. A case that is skipped and not listed fails the suite, and so does one
	// that is listed and runs: no skip creeps in unseen.
	Skips []string
}

// A Broker is what the processes of one case have in common.
type Broker struct {
	// Open starts one more process on this broker. The suite closes it; Open
	// fails tb where that is not possible.
	Open func(tb testing.TB, o Options) transports.Transport

	// Freeze has the broker hold its connections and answer nothing, until resume
	// is called, which may be twice. Nil where Freezes is lacking.
	Freeze func(tb testing.TB) (resume func())

	// Restart kills the broker and starts it again at the same address with
	// what it had stored. Nil where Restarts is lacking.
	Restart func(tb testing.TB)
}

// Options are what a case asks of a process that it opens.
type Options struct {
	Catalogue  []string // names of services to announce
	MaxMessage int      // longest body in bytes; 0: the transport's own limit, at least 2 MiB
	MaxQueue   int      // messages that may wait in one queue; 0: the transport's own limit, at least 1000
}

// A Feature is something that a transport may lack because its wire cannot do it.
type Feature string

// The features, each with what it promises.
const (
	Durable     Feature = "Durable"     // a message waits in the broker until a worker comes
	SharedQueue Feature = "SharedQueue" // several workers of one name share its messages
	Redelivers  Feature = "Redelivers"  // what a closed worker left unfinished runs elsewhere
	Retries     Feature = "Retries"     // the verdict Retry
	Buries      Feature = "Buries"      // the verdict Bury
	GivesBack   Feature = "GivesBack"   // the verdict NotMine
	Suspects    Feature = "Suspects"    // the verdict Suspect, and ErrBuried
	Follows     Feature = "Follows"     // Outcome.Follow
	Histories   Feature = "Histories"   // Message.History
	Settles     Feature = "Settles"     // transports.Settler
	Dedupes     Feature = "Dedupes"     // Service.Dedupe and Outcome.Keep
	Delays      Feature = "Delays"      // Message.NotBefore
	Unique      Feature = "Unique"      // Message.Unique
	Cancels     Feature = "Cancels"     // a cancelled Call is not begun, and ends its handler's context
	Caps        Feature = "Caps"        // a full queue refuses with ErrBusy
	Mailboxes   Feature = "Mailboxes"   // transports.Mailbox
	Binds       Feature = "Binds"       // Service.Bindings
	Inspects    Feature = "Inspects"    // transports.Inspector
	Describes   Feature = "Describes"   // ServiceStatus.Workers, and not only their number
	Locates     Feature = "Locates"     // transports.Locator
	Pauses      Feature = "Pauses"      // transports.Pauser
	DeadLetters Feature = "DeadLetters" // transports.DeadLetterQueue
	Pings       Feature = "Pings"       // transports.Pinger
	Freezes     Feature = "Freezes"     // the test can freeze the broker
	Restarts    Feature = "Restarts"    // the test can restart the broker
)

// testCase is one sentence of the contract.
type testCase struct {
	name  string
	needs []Feature
	run   func(e *env)
}

// cases returns the whole suite in the order in which it runs.
func cases() []testCase {
	return slices.Concat(
		bodyCases(), callCases(), deadlineCases(), cancelCases(), queueCases(), stopCases(),
		closeCases(), panicCases(), settlerCases(), verdictCases(), suspectCases(), dedupeCases(), sendCases(), uniqueCases(),
		capCases(), mailboxCases(), bindingCases(), inspectCases(), pauseCases(), deadLetterCases(), faultCases(),
	)
}

// Run runs the suite. Its cases run one after another and beside no other test,
// because only then can each be held to leave no goroutine behind; a test that
// calls Run therefore must not call t.Parallel.
func Run(t *testing.T, s Suite) {
	t.Helper()
	var skipped []string
	for _, c := range cases() {
		if missing := s.missing(c.needs); missing != "" {
			skipped = append(skipped, c.name)
		}
	}
	if diff := cmp.Diff(s.Skips, skipped, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("skipped cases differ from Suite.Skips (-listed +skipped):\n%s", diff)
	}
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if missing := s.missing(c.needs); missing != "" {
				t.Skipf("this transport lacks %s", missing)
			}
			s.runCase(t, c)
		})
	}
}

func (s *Suite) runCase(t *testing.T, c testCase) {
	private := slices.Contains(c.needs, Freezes) || slices.Contains(c.needs, Restarts)
	e := &env{T: t, suite: s, broker: s.Broker(t, private)}

	// Between the broker's own clean-up, which comes last, and the closing of
	// the transports, which every case registers later and so comes first.
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if !t.Failed() {
			goleak.VerifyNone(t, append(slices.Clone(s.Goroutines), before)...)
		}
	})
	t.Cleanup(e.awaitServers)
	c.run(e)
}

// missing returns the first of needs that the transport lacks, or "".
func (s *Suite) missing(needs []Feature) Feature {
	for _, f := range needs {
		if s.lacks(f) {
			return f
		}
	}
	return ""
}

func (s *Suite) lacks(f Feature) bool { return slices.Contains(s.Lacks, f) }
