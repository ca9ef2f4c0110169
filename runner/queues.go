package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

const queuesHelp = `WAITING    in the queue
OLDEST     how long the one that is next has waited
IN-FLIGHT  taken by a worker and not done
DELAYED    sent to be run later
RETRIES    failed, and to be tried again later
SUSPECTS   their worker died; they are run apart from the others
DEAD       given up, see "dead"
A number that the broker cannot tell is "?".`

func (a *app) queuesCommand(asJSON cli.Flag) *cli.Command {
	command := a.make("queues", "[SERVICE…]", "show what waits, runs and has failed", a.queues,
		&cli.BoolFlag{Name: "watch", Usage: "show it again and again, until Ctrl-C", DisableDefaultText: true},
		&cli.DurationFlag{Name: "interval", Value: 2 * time.Second, Usage: "with --watch: every `DURATION`"},
		asJSON)
	command.UsageText += "\n\n" + queuesHelp
	return command
}

// queues shows how far each service is with its work.
func (a *app) queues(c *cli.Context, names []string) error {
	for _, name := range names {
		if err := checkServiceName(name); err != nil {
			return err
		}
	}
	interval := c.Duration("interval")
	switch {
	case c.IsSet("interval") && !c.Bool("watch"):
		return usagef("--interval goes with --watch")
	case interval < 100*time.Millisecond:
		return usagef("--interval is %s, want 100ms or more", interval)
	}
	err := a.attend(c, func(ctx context.Context, s *session) error {
		if s.overHTTP() {
			return fmt.Errorf("%w: over HTTP there are no queues; see %q", transports.ErrUnsupported, a.name+" services")
		}
		show := a.queuesView(c)
		once := func() error {
			list, err := chosenServices(ctx, s, names)
			if err != nil {
				return err
			}
			return show(list)
		}
		err := once()
		if !c.Bool("watch") || err != nil && ctx.Err() == nil {
			return err
		}
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil // it was told to end
			case <-tick.C:
			}
			err := once()
			switch {
			case ctx.Err() != nil:
				return nil
			case errors.Is(err, syscall.EPIPE):
				return err
			case err != nil:
				// Whoever watches wants to see the broker come back.
				a.complain(a.explainBroker(ctx, err, s).Error())
			}
		}
	})
	if c.Bool("watch") && errors.Is(err, syscall.EPIPE) {
		return nil // "| head" has read enough
	}
	return err
}

// chosenServices asks about the services called names, or all if there are none.
func chosenServices(ctx context.Context, s *session, names []string) ([]transports.ServiceStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, s.env.config.Timeout)
	defer cancel()
	list, err := servicesOf(ctx, s)
	if err != nil || len(names) == 0 {
		return list, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(list, func(s transports.ServiceStatus) bool { return s.Name == name }) {
			return nil, of(name, transports.ErrNoService)
		}
	}
	return slices.DeleteFunc(list, func(s transports.ServiceStatus) bool { return !slices.Contains(names, s.Name) }), nil
}

// queuesView returns what shows one state of the queues: on a terminal in the
// place of the last one, elsewhere below it.
func (a *app) queuesView(c *cli.Context) func([]transports.ServiceStatus) error {
	out, watch := a.sys.Stdout, c.Bool("watch")
	switch {
	case c.Bool("json") && watch:
		lines := json.NewEncoder(out)
		return func(list []transports.ServiceStatus) error { return lines.Encode(list) }
	case c.Bool("json"):
		return func(list []transports.ServiceStatus) error { return printJSON(out, list) }
	case !watch:
		return func(list []transports.ServiceStatus) error {
			if len(list) == 0 {
				return a.noServices()
			}
			return printTable(out, queueRows(list))
		}
	}
	terminal := isTerminal(out)
	return func(list []transports.ServiceStatus) error {
		var page bytes.Buffer
		fmt.Fprintf(&page, "%s\n", time.Now().Format(time.TimeOnly))
		if err := printTable(&page, queueRows(list)); err != nil {
			return err
		}
		text := page.String() + "\n"
		if terminal {
			text = overwrite(page.String())
		}
		_, err := out.Write([]byte(text))
		return err
	}
}

// overwrite shows a page in the place of what is on the terminal, without the
// flicker of clearing it first.
func overwrite(page string) string {
	const home, clearLine, clearBelow = "\x1b[H", "\x1b[K", "\x1b[J"
	return home + strings.ReplaceAll(page, "\n", clearLine+"\n") + clearBelow
}

func queueRows(list []transports.ServiceStatus) [][]string {
	rows := [][]string{{"SERVICE", "WAITING", "OLDEST", "IN-FLIGHT", "DELAYED", "RETRIES", "SUSPECTS", "DEAD", "WORKERS"}}
	for _, s := range list {
		workers := count(s.Consumers)
		if s.Paused {
			workers += ", paused"
		}
		rows = append(rows, []string{
			s.Name, count(s.Waiting), oldest(s), count(s.InFlight), count(s.Delayed),
			count(s.Retries), count(s.Suspects), count(s.Dead), workers,
		})
	}
	return rows
}

// oldest shows how long the message that is next has waited.
func oldest(s transports.ServiceStatus) string {
	switch {
	case s.Oldest != nil && !s.Oldest.IsZero():
		return age(time.Since(*s.Oldest))
	case s.Waiting != nil && *s.Waiting == 0:
		return "-"
	}
	return "?"
}
