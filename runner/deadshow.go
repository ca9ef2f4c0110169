package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

// deadShow shows all there is to know of a dead letter.
func (a *app) deadShow(c *cli.Context, args []string) error {
	filter, err := filterOf(c)
	if err != nil {
		return err
	}
	if want := map[bool]int{true: 1, false: 2}[filter.key != ""]; len(args) != want {
		return usagef("dead show wants a service and an id, or --key in its place: %s dead show SERVICE ID", a.name)
	}
	service, named := args[0], fmt.Sprintf("with the key %q", filter.key)
	if filter.key == "" {
		named = strconv.Quote(args[1])
	}
	if err := checkServiceName(service); err != nil {
		return err
	}
	return a.attend(c, func(ctx context.Context, s *session) error {
		var found []transports.DeadLetter
		err := eachDead(ctx, s, service, filter, func(l transports.DeadLetter) bool {
			if filter.key != "" || l.ID == args[1] {
				found = append(found, l)
			}
			return len(found) == 0 || filter.key != "" && len(found) == 1 // a key may be that of several
		})
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return fmt.Errorf("%s has no dead letter %s; see %q", service, named, a.name+" dead list "+service)
		case len(found) > 1:
			return fmt.Errorf("%s has several dead letters %s; choose an id from %q", service, named, a.name+" dead list --key KEY "+service)
		}
		return a.showDead(c, service, found[0])
	})
}

func (a *app) showDead(c *cli.Context, service string, l transports.DeadLetter) error {
	r := recordOf(service, l)
	if c.Bool("payload") {
		r.Header, r.Payload = l.Message.Header, l.Message.Body
		if !json.Valid(r.Payload) {
			r.Payload, _ = json.Marshal(string(l.Message.Body))
		}
	}
	if c.Bool("json") {
		return printJSON(a.sys.Stdout, r)
	}
	rows := [][]string{{"id", printable(r.ID)}, {"key", orDash(printable(r.Key))}, {"service", service}, {"method", orDash(printable(r.Method))}}
	if r.RequestID != "" {
		rows = append(rows, []string{"request", printable(r.RequestID)})
	}
	for _, at := range []struct {
		what string
		when *time.Time
	}{{"sent", r.Sent}, {"buried", r.Buried}} {
		if at.when == nil {
			rows = append(rows, []string{at.what, "-"})
			continue
		}
		rows = append(rows, []string{at.what, fmt.Sprintf("%s (%s ago)", clockTime(*at.when), age(time.Since(*at.when)))})
	}
	rows = append(rows, []string{"error", orDash(printable(r.Error))},
		[]string{"failures", strconv.Itoa(r.Failures)}, []string{"deaths", strconv.Itoa(r.Deaths)})
	payload := fmt.Sprintf("%d bytes; --payload shows them", r.Bytes)
	if c.Bool("payload") {
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			rows = append(rows, []string{"header", printable(name + ": " + r.Header[name])})
		}
		payload = fmt.Sprintf("%d bytes:", r.Bytes)
	}
	if err := printTable(a.sys.Stdout, append(rows, []string{"payload", payload})); err != nil {
		return err
	}
	if c.Bool("payload") {
		fmt.Fprintln(a.sys.Stdout, payloadText(l.Message.Body))
	}
	return a.printHistory(r.History)
}

// payloadText lays JSON out for people, and quotes what is none.
func payloadText(body []byte) string {
	var text bytes.Buffer
	if json.Indent(&text, body, "", "  ") != nil {
		return strconv.Quote(string(body))
	}
	lines := strings.Split(text.String(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// printHistory tells how the attempts ended, in the order in which they did.
func (a *app) printHistory(history []transports.Attempt) error {
	if len(history) == 0 {
		_, err := fmt.Fprintln(a.sys.Stdout, "\nNothing is known of its attempts.")
		return err
	}
	fmt.Fprintln(a.sys.Stdout, "\nAttempts, the last one at the bottom:")
	rows := make([][]string, 0, len(history))
	for _, attempt := range slices.Backward(history) {
		how := "failed: " + orDash(printable(attempt.Error))
		switch {
		case attempt.Died && attempt.Error != "":
			how = "held up its worker: " + printable(attempt.Error)
		case attempt.Died:
			how = "its worker died"
		}
		rows = append(rows, []string{clockTime(attempt.At), orDash(printable(attempt.Worker)), how})
	}
	return printTable(a.sys.Stdout, rows)
}
