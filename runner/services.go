package runner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

// services shows who is up.
func (a *app) services(c *cli.Context, _ []string) error {
	return a.look(c, func(ctx context.Context, s *session) error {
		list, err := servicesOf(ctx, s)
		if err != nil {
			return err
		}
		if s.overHTTP() {
			visit(ctx, s, list)
		}
		if c.Bool("json") {
			return printJSON(a.sys.Stdout, list)
		}
		if len(list) == 0 && s.overHTTP() {
			_, err := fmt.Fprintln(a.sys.Stdout, "No address of a service is set; see JOURNEYMAN_SERVICES.")
			return err
		}
		if len(list) == 0 {
			return a.noServices()
		}
		rows := [][]string{{"SERVICE", "STATE", "WAITING", "IN-FLIGHT", "WORKERS", "VERSION", "INSTANCES", "METHODS"}}
		for _, status := range list {
			rows = append(rows, []string{
				status.Name, state(status), count(status.Waiting), count(status.InFlight), count(status.Consumers),
				described(status, versions), described(status, instances), described(status, methods),
			})
		}
		return printTable(a.sys.Stdout, rows)
	})
}

func (a *app) noServices() error {
	_, err := fmt.Fprintf(a.sys.Stdout, "No service was ever started on this broker; try %q.\n", a.name+" start")
	return err
}

// servicesOf asks the broker about every service. The list is never nil.
func servicesOf(ctx context.Context, s *session) ([]transports.ServiceStatus, error) {
	inspector, err := ability[transports.Inspector](s, "list services", brokers)
	if err != nil {
		return nil, err
	}
	list, err := inspector.Services(ctx)
	if list == nil {
		list = []transports.ServiceStatus{}
	}
	return list, err
}

// state is what somebody who looks for what is wrong wants to know first.
func state(s transports.ServiceStatus) string {
	switch {
	case s.Paused:
		return "paused"
	case isDown(s):
		return "down"
	case s.Consumers == nil && len(s.Workers) == 0:
		return "?"
	}
	return "up"
}

// isDown reports whether nobody takes from the service's queue, as far as the broker tells.
func isDown(s transports.ServiceStatus) bool { return s.Consumers != nil && *s.Consumers == 0 }

// count shows a number that the broker may not know.
func count(n *int64) string {
	if n == nil {
		return "?"
	}
	return strconv.FormatInt(*n, 10)
}

// described shows something of a service's workers, "?" where the broker does not tell
// who they are.
func described(s transports.ServiceStatus, show func([]transports.WorkerStatus) string) string {
	if s.Workers == nil && !isDown(s) {
		return "?"
	}
	return show(s.Workers)
}

// youngestFirst sorts workers: in a rolling deploy the older ones are on their way out.
func youngestFirst(workers []transports.WorkerStatus) []transports.WorkerStatus {
	workers = slices.Clone(workers)
	slices.SortStableFunc(workers, func(a, b transports.WorkerStatus) int { return b.Started.Compare(a.Started) })
	return workers
}

// methods returns what the youngest worker announces.
func methods(workers []transports.WorkerStatus) string {
	if len(workers) == 0 {
		return "-"
	}
	return strings.Join(youngestFirst(workers)[0].Methods, " ")
}

// versions names the version that runs, and in a rolling deploy each with the
// number of its workers, the youngest first.
func versions(workers []transports.WorkerStatus) string {
	var names []string
	number := make(map[string]int)
	for _, w := range youngestFirst(workers) {
		v := cmp.Or(printable(w.Version), "?")
		if number[v]++; number[v] == 1 {
			names = append(names, v)
		}
	}
	switch len(names) {
	case 0:
		return "-"
	case 1:
		return names[0]
	}
	for i, v := range names {
		names[i] = fmt.Sprintf("%s (%d)", v, number[v])
	}
	return strings.Join(names, ", ")
}

// instances names the first few of the workers, as the platform does.
func instances(workers []transports.WorkerStatus) string {
	const shown = 4
	var names []string
	for _, w := range workers {
		names = append(names, cmp.Or(printable(w.Instance), w.ID))
	}
	switch n := len(names); {
	case n == 0:
		return "-"
	case n > shown:
		return strings.Join(names[:shown-1], " ") + fmt.Sprintf(" and %d more", n-shown+1)
	}
	return strings.Join(names, " ")
}
