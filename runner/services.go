package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

// services shows what the broker knows.
func (a *app) services(c *cli.Context, _ []string) error {
	s, err := a.session(a.name, false)
	if err != nil {
		return err
	}
	defer s.transport.Close()
	inspector, ok := s.transport.(transports.Inspector)
	if !ok {
		return fmt.Errorf("the broker from %s cannot list services: %w", s.env.broker.source, transports.ErrUnsupported)
	}
	ctx, release := a.interruptible(c.Context)
	defer release()
	ctx, cancel := context.WithTimeout(ctx, s.env.config.Timeout)
	defer cancel()
	list, err := inspector.Services(ctx)
	if err != nil {
		return a.explain(ctx, err, s, "the broker", s.env.config.Timeout)
	}
	if c.Bool("json") {
		return printJSON(a.sys.Stdout, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintf(a.sys.Stdout, "No service was ever started on this broker; try %q.\n", a.name+" start")
		return err
	}
	rows := [][]string{{"SERVICE", "WAITING", "IN FLIGHT", "WORKERS", "METHODS"}}
	for _, status := range list {
		rows = append(rows, []string{
			status.Name, count(status.Waiting), count(status.InFlight),
			strconv.Itoa(len(status.Workers)), strings.Join(methods(status.Workers), " "),
		})
	}
	return printTable(a.sys.Stdout, rows)
}

// count shows a number that the broker may not know.
func count(n *int64) string {
	if n == nil {
		return "?"
	}
	return strconv.FormatInt(*n, 10)
}

// methods returns what the youngest worker announces: in a rolling deploy the
// older ones are on their way out.
func methods(workers []transports.WorkerStatus) []string {
	if len(workers) == 0 {
		return []string{"-"}
	}
	youngest := workers[0]
	for _, w := range workers[1:] {
		if w.Started.After(youngest.Started) {
			youngest = w
		}
	}
	return youngest.Methods
}

func printTable(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
