package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

// look opens a session for a command that asks the broker and no service, and
// explains its errors. do has JOURNEYMAN_TIMEOUT.
func (a *app) look(c *cli.Context, do func(ctx context.Context, s *session) error) error {
	return a.attend(c, func(ctx context.Context, s *session) error {
		ctx, cancel := context.WithTimeout(ctx, s.env.config.Timeout)
		defer cancel()
		return do(ctx, s)
	})
}

// attend is look for what may take its time. It ends with the first signal.
func (a *app) attend(c *cli.Context, do func(ctx context.Context, s *session) error) error {
	s, err := a.session(a.name, false)
	if err != nil {
		return err
	}
	defer s.transport.Close()
	ctx, release := a.interruptible(c.Context)
	defer release()
	return a.explainBroker(ctx, do(ctx, s), s)
}

// An unknownServiceError is about a name that the broker knows nothing of.
type unknownServiceError struct {
	name string
	err  error
}

func (e *unknownServiceError) Error() string { return e.err.Error() }
func (e *unknownServiceError) Unwrap() error { return e.err }

// of notes which service an error is about.
func of(service string, err error) error {
	if errors.Is(err, transports.ErrNoService) {
		return &unknownServiceError{service, err}
	}
	return err
}

// explainBroker is explain for commands that ask the broker and no service.
func (a *app) explainBroker(ctx context.Context, err error, s *session) error {
	service := s.env.broker.what()
	unknown, ok := errors.AsType[*unknownServiceError](err)
	switch {
	case ok:
		service = unknown.name
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s did not answer within %s", s.env.broker.where(), s.env.config.Timeout)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	}
	return a.explain(ctx, err, s, service, s.env.config.Timeout)
}

// What can do what not every transport can, for hints.
const (
	redisAlone = "Redis"
	brokers    = "Redis and RabbitMQ"
)

// ability returns the optional interface T of the session's transport; doing says
// what it is wanted for, and who which transports have it.
func ability[T any](s *session, doing, who string) (T, error) {
	t, ok := s.transport.(T)
	if b := s.env.broker; !ok && b.transport != onRedis {
		return t, fmt.Errorf("%w: %s cannot %s, and %s can", transports.ErrUnsupported, b.title(), doing, who)
	}
	if !ok {
		return t, fmt.Errorf("the broker from %s cannot %s: %w", s.env.broker.source, doing, transports.ErrUnsupported)
	}
	return t, nil
}

func checkServiceName(name string) error {
	if err := transports.CheckName(name); err != nil {
		return usagef("%v", err)
	}
	return nil
}

// printable makes text of others safe to look at: what a terminal would obey, or
// what would break a table, becomes a dot.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}

// shorten returns s with at most n characters.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// age shows how long something has lasted, in the two units that matter.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, 0).Truncate(time.Second)
	switch {
	case d < time.Hour:
		return d.String()
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}

// clockTime shows a time in the zone of whoever looks.
func clockTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime) //nolint:gosmopolitan // that zone is what was asked for
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
