package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// Exit codes of every command.
const (
	exitFine    = 0
	exitService = 1 // the service answered with an error
	exitUsage   = 2 // usage or configuration
	exitJourney = 3 // no broker, no such service, deadline, a worker that stalled
)

// A usageError is a command line that cannot be run.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// A configError lists every fault of the configuration, a sentence each.
type configError []string

func (e configError) Error() string { return strings.Join(e, "\n") }

// refused turns a refusal, which no patience removes, into a fault of the
// configuration that names where its address stands. It passes other errors on.
func (s *session) refused(err error) error {
	refusal, ok := errors.AsType[*transports.RefusedError](err)
	if !ok {
		return err
	}
	if s.overHTTP() { // it stands for itself: a port that is taken, say
		return configError{refusal.Error()}
	}
	return configError{fmt.Sprintf("%s refuses this process: %v", s.env.broker.where(), refusal)}
}

// report tells the user what went wrong, a line for each fault, and returns the
// exit code. What a service answered goes out as the JSON that it was.
func (a *app) report(err error) int {
	var (
		answer *jsonrpc.Error
		usage  usageError
		config configError
	)
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &usage):
		a.complain(usage.Error())
		return exitUsage
	case errors.As(err, &config):
		for _, fault := range config {
			a.complain(fault)
		}
		return exitUsage
	case errors.As(err, &answer):
		if line, err := json.Marshal(answer); err == nil {
			fmt.Fprintf(a.sys.Stderr, "%s\n", line)
		} else {
			a.complain(answer.Error())
		}
		return exitService
	}
	a.complain(err.Error())
	return exitJourney
}

// complain writes one line that names the program, whatever text holds.
func (a *app) complain(text string) {
	fmt.Fprintf(a.sys.Stderr, "%s: %s\n", a.name, strings.ReplaceAll(text, "\n", " "))
}
