package rabbitmq

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// Options say where the broker is and who this process is. URLs alone are required.
type Options struct {
	URLs       []string // amqp:// or amqps://, with user, password and virtual host; tried in turn
	Namespace  string   // keeps applications that share a virtual host apart
	Catalogue  []string // services to announce: calls to them wait even while none is up
	MaxMessage int      // bytes of a body; 0 means DefaultMaxMessage
	MaxQueue   int      // messages that may wait in one queue before ErrBusy; 0 means DefaultMaxQueue. A queue that exists keeps its limit
	Instance   string   // the platform's name for this process, shown to people
	Version    string   // of the application, shown to people
	Known      []string // services that Services and Examine report on beside the Catalogue; nothing is declared for them
	Log        *slog.Logger
}

// DefaultMaxMessage bounds a message where Options do not. RabbitMQ 4 itself takes 16 MiB.
const DefaultMaxMessage = 8 << 20

// DefaultMaxQueue bounds a queue where Options do not.
const DefaultMaxQueue = 100_000

// Connections returns how many connections to RabbitMQ a process holds: one on which
// it publishes, and one on which it consumes, since a broker in need blocks the first.
func Connections(_, _ bool) int { return 2 }

// Transport carries messages through RabbitMQ. Make one with Open.
type Transport struct {
	opts       Options
	names      names
	timing     timing
	log        *slog.Logger
	id         string // of this process, for its reply queue and its messages
	serial     atomic.Uint64
	stats      counters
	topology   *topology
	publishing *link
	consuming  *link
	replies    *replies
	ladder     ladder
	refusals   refusals
	pulse      pulse
	shortcuts  shortcuts
	mender     mender
	waiting    chan struct{} // holds a token for each channel on which somebody waits at a box

	life    context.Context // ends when Close is called
	end     context.CancelFunc
	ctx     context.Context // ends when the connections are to be given up
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	closed  bool
	serving sync.WaitGroup // calls of Serve
}

var (
	_ transports.Transport = (*Transport)(nil)
	_ transports.Mailbox   = (*Transport)(nil)
)

// Open checks the options and returns a transport that connects in the background.
// It fails for options that can never work; a broker that is down is not such a reason.
func Open(o Options) (*Transport, error) { return open(o, defaultTiming()) }

func open(o Options, timing timing) (*Transport, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.MaxQueue == 0 {
		o.MaxQueue = DefaultMaxQueue
	}
	for _, name := range o.Catalogue {
		if err := transports.CheckName(name); err != nil {
			return nil, err
		}
	}
	if err := checkNamespace(o.Namespace); err != nil {
		return nil, err
	}
	dialer, err := newDialer(o.URLs, o.Instance, timing)
	if err != nil {
		return nil, err
	}
	t := &Transport{
		opts: o, names: names{o.Namespace}, timing: timing, log: o.Log, id: uuid.NewString(),
		waiting: make(chan struct{}, mostWaiting),
	}
	t.topology = &topology{names: t.names, maxQueue: o.MaxQueue, timing: timing, log: o.Log, warned: make(map[string]bool)}
	t.life, t.end = context.WithCancel(context.Background())
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.publishing = t.newLink("publishing", dialer, t.greet)
	t.consuming = t.newLink("consuming", dialer.copy(), nil)
	t.replies = newReplies(t)
	if len(o.Catalogue) > 0 {
		t.publishing.begin() // and so announces
	}
	return t, nil
}

func (t *Transport) newLink(purpose string, d *dialer, greet func(context.Context, *session) error) *link {
	return &link{
		purpose: purpose, dialer: d, timing: t.timing, log: t.log, greet: greet, run: t.background, ctx: t.ctx, current: newHolder[*session](),
	}
}

// greet makes a new connection ready to publish: everything that a message may be
// published to is there before the first one is.
func (t *Transport) greet(_ context.Context, s *session) error {
	on := &scratch{conn: s.conn}
	defer on.close()
	if err := t.topology.exchanges(on); err != nil {
		return err
	}
	t.ladder.forget()
	if err := t.announceAll(s); err != nil {
		return err
	}
	return openOutlet(s, t.timing)
}

// announceAll announces the catalogue, several services at a time, as each takes some
// round trips to a broker that may be far away.
func (t *Transport) announceAll(s *session) error {
	const atOnce = 8
	services := make(chan string, len(t.opts.Catalogue))
	for _, service := range t.opts.Catalogue {
		services <- service
	}
	close(services)
	failed := make(chan error, atOnce)
	for range atOnce {
		go func() {
			on := &scratch{conn: s.conn}
			defer on.close()
			var err error
			for service := range services {
				err = t.topology.announce(on, service)
				if fault, ok := errors.AsType[*amqp.Error](err); ok && isRefusal(err) {
					// A user who may not declare other services' queues may still call them.
					t.topology.warn("service "+service+" cannot be announced", fault)
					err = nil
				}
				if err != nil {
					break
				}
			}
			failed <- err
		}()
	}
	var err error
	for range atOnce {
		err = errors.Join(err, <-failed)
	}
	return err
}

// Close implements transports.Transport. It waits a few seconds at most for
// handlers to notice and for the broker to take unfinished messages back; what
// the broker does not take then it gives to others when the connection ends.
func (t *Transport) Close() error {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	if !closed {
		t.end()
		t.serving.Wait()
		t.cancel()
	}
	<-t.ctx.Done() // nothing is started from here on
	t.running.Wait()
	return nil
}

// background runs f in a goroutine for which Close waits, unless that was called.
func (t *Transport) background(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.running.Go(f)
	}
}

func (t *Transport) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// Counts are events that nobody is told of otherwise.
type Counts struct {
	Expired      int64 // requests not executed, since their deadline had passed
	LateReplies  int64 // replies for nobody: the call had ended
	Unanswered   int64 // replies that had nowhere to go, or were too large
	Stale        int64 // results whose message could not be acknowledged, since the connection that had delivered it was gone
	Rejoined     int64 // messages delivered again to the process that still ran them, or just had
	Doubted      int64 // messages delivered again after a worker or its connection had died
	GivenUp      int64 // requests buried, since worker after worker died of them
	UnknownSends int64 // messages of which nobody knows whether the broker has them
}

type counters struct {
	expired, lateReplies, unanswered, stale, rejoined, doubted, givenUp, unknownSends atomic.Int64
}

// Counts returns what has been counted since Open.
func (t *Transport) Counts() Counts {
	c := &t.stats
	return Counts{
		Expired: c.expired.Load(), LateReplies: c.lateReplies.Load(), Unanswered: c.unanswered.Load(), Stale: c.stale.Load(),
		Rejoined: c.rejoined.Load(), Doubted: c.doubted.Load(), GivenUp: c.givenUp.Load(), UnknownSends: c.unknownSends.Load(),
	}
}
