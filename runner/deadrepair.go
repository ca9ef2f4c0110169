package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

// A repair is what can be done with dead letters.
type repair struct {
	verb, done string
	do         func(transports.DeadLetterQueue, context.Context, string, ...string) (int, error)
	final      bool // it cannot be undone
}

// deadRetry puts dead letters back into the queue.
func (a *app) deadRetry(c *cli.Context, args []string) error {
	return a.repairDead(c, args, repair{verb: "retry", done: "put back", do: transports.DeadLetterQueue.RetryDead})
}

// deadDelete forgets dead letters.
func (a *app) deadDelete(c *cli.Context, args []string) error {
	return a.repairDead(c, args, repair{verb: "delete", done: "deleted", do: transports.DeadLetterQueue.DeleteDead, final: true})
}

// A repairResult says how far a repair came.
type repairResult struct {
	Service string   `json:"service"`
	Done    int      `json:"done"`
	Of      int      `json:"of"`
	Missing []string `json:"missing,omitempty"` // ids that were given, and are of no dead letter
}

func (a *app) repairDead(c *cli.Context, args []string, r repair) error {
	order := fmt.Sprintf("%s dead %s [options] SERVICE [ID…]", a.name, r.verb)
	filter, err := filterOf(c)
	all := c.Bool("all")
	chosen := all || filter.key != "" // by what they are, not by their ids
	switch {
	case err != nil:
		return err
	case len(args) == 0:
		return usagef("dead %s wants a service; the order is: %s", r.verb, order)
	case !chosen && (c.IsSet("method") || c.IsSet("error")):
		return usagef("--method and --error go with --all or --key")
	case chosen && len(args) > 1:
		return usagef("%q stands beside --all or --key; want one of them, or ids", args[1])
	case !chosen && len(args) == 1:
		return usagef("dead %s wants ids, --key or --all; the order is: %s", r.verb, order)
	case all && r.final && !c.Bool("yes") && !isTerminal(a.sys.Stdin):
		return usagef("dead delete --all cannot be undone; where nobody can be asked it wants --yes")
	}
	service, ids := args[0], args[1:]
	if err := checkServiceName(service); err != nil {
		return err
	}
	return a.attend(c, func(ctx context.Context, s *session) error {
		if chosen {
			var err error
			if ids, err = deadIDs(ctx, s, service, filter); err != nil {
				return err
			}
			if len(ids) == 0 && !all {
				return fmt.Errorf("%s has no dead letter with the key %q; see %q", service, filter.key, a.name+" dead list "+service)
			}
		}
		if all && r.final && !c.Bool("yes") && len(ids) > 0 {
			sure, err := a.confirm(ctx, fmt.Sprintf("Delete %s of %s for good?", letters(len(ids)), service))
			if err != nil {
				return err
			}
			if !sure {
				fmt.Fprintln(a.sys.Stderr, "Nothing was deleted.")
				return nil
			}
		}
		result := repairResult{Service: service, Of: len(ids)}
		err := r.each(ctx, s, &result, ids, chosen)
		if reported := a.printRepair(c, r, result, chosen); err == nil {
			err = reported
		}
		if err == nil && len(result.Missing) > 0 {
			err = fmt.Errorf("%s has no dead letter %s; see %q", service, strings.Join(result.Missing, ", "), a.name+" dead list "+service)
		}
		return of(service, err)
	})
}

// deadIDs returns the ids that the filter lets through, the oldest first: as they
// were sent, so they run again.
func deadIDs(ctx context.Context, s *session, service string, filter deadFilter) (ids []string, err error) {
	err = eachDead(ctx, s, service, filter, func(l transports.DeadLetter) bool {
		ids = append(ids, l.ID)
		return true
	})
	slices.Reverse(ids)
	return ids, err
}

// each repairs the letters called ids, and counts in result. Ids that somebody has
// typed go one by one, so that those which are wrong can be named.
func (r repair) each(ctx context.Context, s *session, result *repairResult, ids []string, chosen bool) error {
	queue, err := ability[transports.DeadLetterQueue](s, "keep dead letters", brokers)
	if err != nil {
		return err
	}
	size := 1
	if chosen {
		size = 100
	}
	for some := range slices.Chunk(ids, size) {
		n, err := func() (int, error) {
			ctx, cancel := context.WithTimeout(ctx, s.env.config.Timeout)
			defer cancel()
			return r.do(queue, ctx, result.Service, some...)
		}()
		result.Done += n
		if err != nil {
			return err
		}
		if n == 0 && !chosen {
			result.Missing = append(result.Missing, some...)
		}
	}
	return nil
}

func (a *app) printRepair(c *cli.Context, r repair, result repairResult, chosen bool) error {
	if c.Bool("json") {
		return printJSON(a.sys.Stdout, result)
	}
	text := fmt.Sprintf("%s: %s %d of %s.", result.Service, r.done, result.Done, letters(result.Of))
	if chosen && result.Done < result.Of {
		text += " The others are as they were, or somebody else was faster."
	}
	_, err := fmt.Fprintln(a.sys.Stdout, text)
	return err
}

func letters(n int) string {
	if n == 1 {
		return "1 dead letter"
	}
	return fmt.Sprintf("%d dead letters", n)
}

// confirm asks whoever sits at the terminal.
func (a *app) confirm(ctx context.Context, question string) (yes bool, err error) {
	fmt.Fprintf(a.sys.Stderr, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // nothing ends a read from a terminal, so it is left to the end of the process
		line, err := bufio.NewReader(a.sys.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			line = ""
		}
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.sys.Stderr)
		return false, ctx.Err()
	case line := <-answer:
		return line == "y" || line == "yes", nil
	}
}
