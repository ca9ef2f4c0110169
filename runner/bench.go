package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/internal/heap"
	"github.com/journeyman-go/journeyman/internal/load"
	"github.com/journeyman-go/journeyman/jsonrpc"
)

const benchHelp = `The calls are real: whatever METHOD does, it does once for each of them. Take one that only reads,
or a service of nobody else's, and mind that others who use the broker get less of it meanwhile.

A first call shows what METHOD answers, and if it fails nothing is measured. Then each caller makes one
call after the other. What ends within the duration makes calls/s; what is under way at its end is
waited for, and counts in the percentiles. Ctrl-C ends it early and shows what was measured.
Exit code: 0 if every call succeeded, 1 if the service answered some with an error, 3 if some failed on the way.`

// mostCallers bounds what a slip of the finger starts.
const mostCallers = 100_000

func (a *app) benchCommand(timeout, asJSON cli.Flag) *cli.Command {
	command := a.make("bench", "SERVICE METHOD [ARG…]", "call a method over and over, and show how fast it is", a.bench,
		&cli.IntFlag{Name: "callers", Aliases: []string{"c"}, Value: 64, Usage: "have `NUMBER` callers at once"},
		&cli.DurationFlag{Name: "duration", Aliases: []string{"d"}, Value: 5 * time.Second, Usage: "measure for `DURATION`"},
		&cli.IntFlag{Name: "requests", Aliases: []string{"n"}, Usage: "measure `NUMBER` calls instead, with no warm-up unless one is set", DefaultText: "no limit"},
		&cli.DurationFlag{Name: "warmup", Value: 500 * time.Millisecond, Usage: "count nothing in the first `DURATION`"},
		timeout, asJSON)
	command.UsageText += "\n\n" + benchHelp
	return command
}

// benchPlan reads the flags of "bench".
func benchPlan(c *cli.Context) (load.Plan, error) {
	p := load.Plan{Callers: c.Int("callers"), Warmup: c.Duration("warmup"), Window: c.Duration("duration")}
	if p.Callers < 1 || p.Callers > mostCallers {
		return p, usagef("--callers is %d, want 1 to %d", p.Callers, mostCallers)
	}
	if p.Warmup < 0 {
		return p, usagef("--warmup is %s, want 0s or more", p.Warmup)
	}
	switch {
	case c.IsSet("requests") && c.IsSet("duration"):
		return p, usagef("--duration and --requests are both set, want one of them")
	case c.IsSet("requests"):
		if p.Calls, p.Window = c.Int("requests"), 0; p.Calls < 1 {
			return p, usagef("--requests is %d, want 1 or more", p.Calls)
		}
		if !c.IsSet("warmup") {
			p.Warmup = 0 // who counts the calls means all of them
		}
	case p.Window <= 0:
		return p, usagef("--duration is %s, want more than 0", p.Window)
	}
	return p, nil
}

// A benchmark is one run of "bench".
type benchmark struct {
	request
	plan        load.Plan
	broker      broker
	answer      json.RawMessage // to the first call
	opens       time.Time       // when the warm-up is over
	made        atomic.Int64    // calls that began after it and have ended
	causes      causes
	report      load.Report
	interrupted bool
}

// bench measures one method.
func (a *app) bench(c *cli.Context, args []string) error {
	plan, err := benchPlan(c)
	if err != nil {
		return err
	}
	r, err := a.request(c, args)
	if err != nil {
		return err
	}
	s, err := a.session(a.name, false)
	if err != nil {
		return err
	}
	defer s.transport.Close()
	r.timeout = cmp.Or(r.timeout, s.env.config.Timeout)
	b := &benchmark{request: r, plan: plan, broker: s.env.broker}
	to := client.New(s.transport, r.service, client.Timeout(r.timeout))
	ctx, release := a.interruptible(c.Context)
	defer release()

	if err := b.first(ctx, to, func(ctx context.Context, err error) error { return a.explain(ctx, err, s, r.service, r.timeout) }); err != nil {
		return err
	}
	a.watch(b, func() { b.run(ctx, to) })
	show := b.print
	if c.Bool("json") {
		show = b.printJSON
	}
	if err := show(a); err != nil {
		return err
	}
	return b.verdict()
}

// first makes the call that shows whether the others are worth making.
func (b *benchmark) first(ctx context.Context, to *client.Client, explain func(context.Context, error) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	answer, err := to.CallRaw(ctx, b.method, b.params)
	b.answer = answer
	return explain(ctx, err)
}

func (b *benchmark) run(ctx context.Context, to *client.Client) {
	b.opens = time.Now().Add(b.plan.Warmup)
	defer heap.Tune(os.Getenv("GOGC"))() // it must not be slower than the processes that call
	b.report = load.Run(ctx, b.plan, func(ctx context.Context, _ int) error {
		begun := time.Now()
		_, err := to.CallRaw(ctx, b.method, b.params)
		if !begun.Before(b.opens) {
			b.made.Add(1)
		}
		if err == nil {
			return nil
		}
		return b.causes.of(err, b.request, time.Since(begun))
	})
	b.interrupted = ctx.Err() != nil
}

// verdict makes the exit code: an answer of the service if that is all that went
// wrong, another error if calls failed on the way.
func (b *benchmark) verdict() error {
	var answer *jsonrpc.Error
	var lost, most int64
	for text, n := range b.report.Failed {
		cause := b.causes.known[text]
		switch {
		case cause == nil:
			lost += n
		case n > most:
			answer, most = cause, n
		}
	}
	switch timed := b.report.Latency.Count(); {
	case lost > 0:
		return fmt.Errorf("%d of %d calls failed on the way", lost, timed+b.report.Failures())
	case answer != nil:
		return answer
	case timed == 0 && b.interrupted:
		return errors.New("interrupted before anything was measured")
	}
	return nil
}

// causes gives failures texts by which they can be counted, and keeps which of them
// were answers of the service. There are only so many of each kind, whatever
// numbers are in them.
type causes struct {
	mu            sync.Mutex
	known         map[string]*jsonrpc.Error // by text; nil: it failed on the way
	answers, lost int                       // how many of each are known
}

const (
	maxCauses    = 8 // of each kind; together with the two others they find room in a load.Report
	otherAnswers = "other errors of the service"
	otherLosses  = "other failures on the way"
)

// of returns an error whose text is the cause of err, which a call to r took that long to meet.
func (c *causes) of(err error, r request, took time.Duration) error {
	answer, answered := errors.AsType[*jsonrpc.Error](err)
	expired := errors.Is(err, context.DeadlineExceeded) && took > r.timeout-clockSkew // as explain has it
	text := strings.TrimPrefix(err.Error(), fmt.Sprintf("call %s.%s: ", r.service, r.method))
	switch {
	case expired:
		answer, text = nil, fmt.Sprintf("no answer within %s", r.timeout)
	case answered:
		text = fmt.Sprintf("error %d: %s", answer.Code, answer.Message)
	}
	text = shorten(printable(text), 200)

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[string]*jsonrpc.Error)
	}
	number, others := &c.lost, otherLosses
	if answer != nil {
		number, others = &c.answers, otherAnswers
	}
	if _, known := c.known[text]; !known {
		if *number == maxCauses {
			text = others
		} else {
			*number++
		}
		if _, known := c.known[text]; !known {
			c.known[text] = answer
		}
	}
	return errors.New(text)
}
