package runner

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

const deadHelp = `Dead letters are messages that were given up: a job that has failed as often as it may, or
one that worker after worker died of. They are kept until somebody retries or deletes them.
An id, a key or a service that is not there ends the command with exit code 3.`

func (a *app) deadCommands(asJSON cli.Flag) *cli.Command {
	filters := func(flags ...cli.Flag) []cli.Flag {
		return append(flags,
			&cli.StringFlag{Name: "key", Usage: "those with the idempotency key `KEY` alone"},
			&cli.StringFlag{Name: "method", Usage: "those of `METHOD` alone"},
			&cli.StringFlag{Name: "error", Usage: "those alone whose error contains `TEXT`; capitals make no difference"})
	}
	every := &cli.BoolFlag{Name: "all", Usage: "every one, or every one that --method and --error let through; --key does without it", DisableDefaultText: true}
	return a.group("dead", "look at what was given up, retry it or delete it", deadHelp,
		a.make("dead list", "[SERVICE]", "list dead letters, the newest first", a.deadList,
			filters(&cli.IntFlag{Name: "limit", Value: 50, Usage: "show `NUMBER` of each service at most, 0 for all", DefaultText: "50, all with --json"}, asJSON)...),
		a.make("dead show", "SERVICE [ID]", "show one with the history of its attempts", a.deadShow,
			&cli.BoolFlag{Name: "payload", Usage: "also what it carries, which may be private", DisableDefaultText: true},
			&cli.StringFlag{Name: "key", Usage: "the one with the idempotency key `KEY`, in place of ID"}, asJSON),
		a.make("dead retry", "SERVICE [ID…]", "put them back into the queue, to be run as if they were new", a.deadRetry,
			filters(every, asJSON)...),
		a.make("dead delete", "SERVICE [ID…]", "forget them for good", a.deadDelete,
			filters(every, &cli.BoolFlag{Name: "yes", Usage: "do not ask whether --all is meant", DisableDefaultText: true}, asJSON)...),
	)
}

// A deadFilter lets some dead letters through.
type deadFilter struct{ key, method, text string }

// filterOf reads the flags that filter, as far as a command has them.
func filterOf(c *cli.Context) (deadFilter, error) {
	key, err := keyOf(c, "key")
	return deadFilter{key, c.String("method"), strings.ToLower(c.String("error"))}, err
}

func (f deadFilter) lets(l transports.DeadLetter) bool {
	if !strings.Contains(strings.ToLower(l.Reason), f.text) || f.key != "" && f.key != l.Message.Key {
		return false
	}
	switch {
	case f.method == "":
		return true
	case l.Message.Method != "":
		return l.Message.Method == f.method
	}
	for method := range calledMethods(l.Message.Body) {
		if method == f.method {
			return true
		}
	}
	return false
}

// deadList lists dead letters of one service or of all.
func (a *app) deadList(c *cli.Context, args []string) error {
	if len(args) > 1 {
		return usagef("dead list takes one service, and there is %q behind it", args[1])
	}
	limit := c.Int("limit")
	if limit < 0 {
		return usagef("--limit is %d, want 0 or more", limit)
	}
	if c.Bool("json") && !c.IsSet("limit") {
		limit = 0 // a program that reads them would not notice that some are missing
	}
	filter, err := filterOf(c)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		if err := checkServiceName(args[0]); err != nil {
			return err
		}
	}
	return a.attend(c, func(ctx context.Context, s *session) error {
		services := args
		if len(services) == 0 {
			list, err := chosenServices(ctx, s, nil)
			if err != nil {
				return err
			}
			for _, status := range list {
				services = append(services, status.Name)
			}
		}
		records, more := []deadRecord{}, []string{}
		for _, service := range services {
			some, hidden, err := firstDead(ctx, s, service, filter, limit)
			if err != nil {
				return err
			}
			records = append(records, some...)
			if hidden != "" {
				more = append(more, fmt.Sprintf("%s: %s more; --limit 0 shows all.", service, hidden))
			}
		}
		if c.Bool("json") {
			return printJSON(a.sys.Stdout, records)
		}
		if len(records) == 0 && filter != (deadFilter{}) {
			_, err := fmt.Fprintln(a.sys.Stdout, "No dead letter is like that.")
			return err
		}
		return a.printDead(records, more)
	})
}

// firstDead returns the first dead letters of a service that the filter lets through,
// and how many more there are, in words; "" for none. limit 0: all.
func firstDead(ctx context.Context, s *session, service string, filter deadFilter, limit int) (records []deadRecord, more string, err error) {
	hidden := 0
	err = eachDead(ctx, s, service, filter, func(l transports.DeadLetter) bool {
		if limit == 0 || len(records) < limit {
			records = append(records, recordOf(service, l))
			return true
		}
		hidden++
		return filter != (deadFilter{}) // without one the broker can count, and need not show them all
	})
	switch {
	case err != nil || hidden == 0:
		return records, "", err
	case filter != (deadFilter{}):
		return records, strconv.Itoa(hidden), nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.env.config.Timeout)
	defer cancel()
	if status, ok := statusOf(ctx, s, service); ok && status.Dead != nil && int(*status.Dead) > limit {
		return records, strconv.Itoa(int(*status.Dead) - limit), nil
	}
	return records, "there are", nil
}

// eachDead shows the dead letters of a service that the filter lets through to
// visit, until that returns false. It gives up when the broker says nothing for
// JOURNEYMAN_TIMEOUT, however long the whole takes.
func eachDead(ctx context.Context, s *session, service string, filter deadFilter, visit func(transports.DeadLetter) bool) error {
	queue, err := ability[transports.DeadLetterQueue](s, "keep dead letters", brokers)
	if err != nil {
		return err
	}
	patience := s.env.config.Timeout
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(patience, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	err = queue.DeadLetters(ctx, service, func(l transports.DeadLetter) bool {
		timer.Reset(patience)
		return !filter.lets(l) || visit(l)
	})
	if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return of(service, err)
}

func (a *app) printDead(records []deadRecord, more []string) error {
	if len(records) == 0 {
		_, err := fmt.Fprintln(a.sys.Stdout, "No dead letters.")
		return err
	}
	rows := [][]string{{"SERVICE", "ID", "KEY", "BURIED", "METHOD", "FAILURES", "DEATHS", "BYTES", "ERROR"}}
	for _, r := range records {
		rows = append(rows, []string{
			r.Service, printable(r.ID), orDash(shorten(printable(r.Key), 60)), buried(r), orDash(shorten(printable(r.Method), 40)),
			strconv.Itoa(r.Failures), strconv.Itoa(r.Deaths), strconv.Itoa(r.Bytes), orDash(shorten(printable(r.Error), 80)),
		})
	}
	if err := printTable(a.sys.Stdout, rows); err != nil {
		return err
	}
	for _, line := range more {
		if _, err := fmt.Fprintln(a.sys.Stdout, line); err != nil {
			return err
		}
	}
	return nil
}

func buried(r deadRecord) string {
	if r.Buried == nil {
		return "-"
	}
	return clockTime(*r.Buried)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
