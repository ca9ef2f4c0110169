package redislist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// Options say where the broker is and who this process is. URL alone is required.
type Options struct {
	URL string // redis:// or rediss://, with user, password and database number

	// TLS says which certificate a rediss:// broker may show: "verify" (the
	// default) one that this machine trusts, "pin:" followed by the SHA-256 of
	// its public key in hexadecimal exactly that one, "insecure" any.
	TLS string

	Namespace       string   // keeps applications that share a broker apart
	Catalogue       []string // services to announce: calls to them wait even while none is up
	ArticleServices []string // services whose workers speak the bare wire: BRPOP the queue, push to the list named by the request's id
	MaxMessage      int      // bytes; 0 means DefaultMaxMessage
	MaxQueue        int      // messages that may wait in one queue before ErrBusy; 0 means DefaultMaxQueue
	Instance        string   // the platform's name for this process, shown to people
	Version         string   // of the application, shown to people
	Log             *slog.Logger
}

// DefaultMaxMessage bounds a message, header included, where Options do not.
const DefaultMaxMessage = 8 << 20

// DefaultMaxQueue bounds a queue where Options do not. Of calls, so many would
// outlive their deadlines there anyway.
const DefaultMaxQueue = 100_000

// Connections returns how many connections to Redis a process holds, whatever its
// concurrency: one for commands, one on which each service that it serves waits
// for requests, and one for replies once it has called.
func Connections(serving, calling bool) int {
	n := 1
	if serving {
		n++
	}
	if calling {
		n++
	}
	return n
}

// Transport carries messages through Redis lists. Make one with Open.
type Transport struct {
	options  Options
	keys     keys
	timing   timing
	dialer   *dialer
	log      *slog.Logger
	clock    clock
	stats    counters
	commands *commands
	replies  *replies
	evicts   string // the eviction policy that was warned of last; for greet alone
	crews    crews

	ctx     context.Context // ends when the connections are to be given up
	cancel  context.CancelFunc
	closing chan struct{} // closed by Close
	running sync.WaitGroup

	mu        sync.Mutex // guards what follows
	closed    bool
	announced map[string]bool // names to announce on each new connection
	known     map[string]bool // names that somebody announced
	lines     map[*line]struct{}
	serving   sync.WaitGroup // calls of Serve
}

var (
	_ transports.Transport = (*Transport)(nil)
	_ transports.Pinger    = (*Transport)(nil)
	_ transports.Inspector = (*Transport)(nil)
	_ transports.Mailbox   = (*Transport)(nil)
)

// Open checks the options and returns a transport that connects in the
// background. It fails for options that can never work; a broker that is down is
// not such a reason.
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
	names := make(map[string]bool)
	for _, name := range append(append([]string(nil), o.Catalogue...), o.ArticleServices...) {
		if err := transports.CheckName(name); err != nil {
			return nil, err
		}
		names[name] = true
	}
	if err := checkNamespace(o.Namespace); err != nil {
		return nil, err
	}
	dialer, err := newDialer(o, timing)
	if err != nil {
		return nil, err
	}
	t := &Transport{
		options: o, keys: newKeys(o.Namespace), timing: timing, dialer: dialer, log: o.Log,
		closing: make(chan struct{}), announced: names, known: make(map[string]bool), lines: make(map[*line]struct{}),
	}
	for name := range names {
		t.known[name] = true
	}
	for _, name := range o.ArticleServices {
		delete(t.announced, name) // their workers are not ours to announce
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.commands = &commands{
		line:  t.newLine("commands", 0, t.greet),
		clock: &t.clock, timing: timing, ctx: t.ctx, log: o.Log, maxQueue: o.MaxQueue, waiting: make(map[string]int64),
		wake: make(chan struct{}, 1), refused: make(chan struct{}),
	}
	t.replies = newReplies(t)
	t.running.Go(t.commands.run)
	t.running.Go(func() {
		<-t.ctx.Done()
		t.mu.Lock()
		defer t.mu.Unlock()
		for l := range t.lines {
			l.close()
		}
	})
	if len(t.announced) > 0 {
		t.commands.addTask(t.commands.readClock()) // connects, and so announces
	}
	return t, nil
}

// newLine returns a line that is closed at the latest with the transport.
func (t *Transport) newLine(name string, block time.Duration, greet func(context.Context, *redis.Client) error) *line {
	l := &line{dialer: t.dialer, name: name, block: block, greet: greet}
	l.ctx, l.cancel = context.WithCancel(t.ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines[l] = struct{}{}
	return l
}

// Close implements transports.Transport. It waits a few seconds at most for
// handlers to notice and for the broker to take unfinished messages back; what
// the broker does not take then is found by other workers.
func (t *Transport) Close() error {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	if !closed {
		close(t.closing)
		t.replies.callOff()
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

// Ping implements transports.Pinger.
func (t *Transport) Ping(ctx context.Context) error {
	if t.isClosed() {
		return transports.ErrClosed
	}
	err := t.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder { return p.Ping(ctx) })
	return t.journey("ping broker", err)
}

// journey wraps the error of a command so that it tells what kind of trouble it is.
func (t *Transport) journey(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, transports.ErrClosed), errors.Is(err, transports.ErrUnavailable),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fmt.Errorf("%s: %w: %w", doing, transports.ErrUnavailable, err)
	}
}

// Counts are events that nobody is told of otherwise.
type Counts struct {
	Expired      int64 // requests not executed, since their deadline had passed
	LateReplies  int64 // replies for nobody: the call had ended
	Unanswered   int64 // replies of bare requests whose id may name no list, or names somebody's data
	NotMine      int64 // results dropped, since the message had been given to another worker
	Fenced       int64 // times this process was declared dead
	Reaped       int64 // workers that this process declared dead
	GivenBack    int64 // messages of dead workers put back into the queue
	Found        int64 // messages whose move into the backup list had gone unanswered
	UnknownSends int64 // requests whose hand-over was not answered
	Duplicates   int64 // messages dropped, since one with the same unique key waited
	TakenBack    int64 // requests taken out of the queue, since their calls were cancelled

	GivenUp       int64 // requests buried, since worker after worker died of them
	Cancelled     int64 // requests not executed, since their callers had cancelled them
	AnsweredAgain int64 // requests that got the reply of an earlier one with the same id
}

type counters struct {
	expired, lateReplies, unanswered, notMine, fenced, reaped, givenBack, found, unknownSends atomic.Int64
	duplicates, takenBack                                                                     atomic.Int64
	givenUp, cancelled, answeredAgain                                                         atomic.Int64
}

// Counts returns what has been counted since Open.
func (t *Transport) Counts() Counts {
	c := &t.stats
	return Counts{
		Expired: c.expired.Load(), LateReplies: c.lateReplies.Load(), Unanswered: c.unanswered.Load(),
		NotMine: c.notMine.Load(), Fenced: c.fenced.Load(), Reaped: c.reaped.Load(),
		GivenBack: c.givenBack.Load(), Found: c.found.Load(), UnknownSends: c.unknownSends.Load(),
		Duplicates: c.duplicates.Load(), TakenBack: c.takenBack.Load(),
		GivenUp: c.givenUp.Load(), Cancelled: c.cancelled.Load(), AnsweredAgain: c.answeredAgain.Load(),
	}
}
