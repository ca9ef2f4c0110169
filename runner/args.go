package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// parseParams makes a request's params of the ARGs of "call" and "notify". Each
// is JSON, or a string if it is no JSON; one that begins with { or [ was meant
// as JSON and must be. A single array or object is the params themselves; none
// means no params.
func parseParams(args []string) (json.RawMessage, error) {
	values := make([]json.RawMessage, len(args))
	for i, arg := range args {
		v, err := parseArg(arg)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	switch {
	case len(values) == 0:
		return nil, nil
	case len(values) == 1 && structured(values[0]):
		return values[0], nil
	}
	return append(append([]byte{'['}, bytes.Join(raws(values), []byte{','})...), ']'), nil
}

func parseArg(arg string) (json.RawMessage, error) {
	if !utf8.ValidString(arg) {
		return nil, usagef("argument %q is not UTF-8", arg)
	}
	trimmed := strings.TrimSpace(arg)
	if json.Valid([]byte(arg)) {
		return json.RawMessage(trimmed), nil // the very bytes: 2^53+1 stays what it is
	}
	if structured([]byte(trimmed)) {
		var v any
		return nil, usagef("argument %q begins like JSON and is none: %v", arg, json.Unmarshal([]byte(arg), &v))
	}
	s, err := json.Marshal(arg)
	if err != nil {
		return nil, fmt.Errorf("quote argument %q: %w", arg, err)
	}
	return s, nil
}

func structured(v []byte) bool {
	return len(v) > 0 && (v[0] == '{' || v[0] == '[')
}

func raws(values []json.RawMessage) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

var badValue = regexp.MustCompile(`^invalid value ("(?:[^"\\]|\\.)*") for flag -(\w+): (?:parse error|value out of range)$`)

// flagFault words the flag package's complaint about a value like that about a
// setting.
func flagFault(err error) string {
	m := badValue.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error()
	}
	dashes, want := "--", reflect.TypeFor[int]()
	if len(m[2]) == 1 {
		dashes = "-"
	}
	switch m[2] {
	case "timeout", "in", "interval", "duration", "d", "warmup":
		want = reflect.TypeFor[time.Duration]()
	}
	return fmt.Sprintf("%s%s is %s, want %s", dashes, m[2], m[1], wanted(want))
}

// takesAnything tells by its usage whether a command hands arguments on that may
// look like anything.
func takesAnything(usage string) bool { return strings.Contains(usage, "ARG") }

// isFlag tells a flag from an argument. Negative numbers are no flags.
func isFlag(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && arg != "--" && !json.Valid([]byte(arg))
}

// hoist puts flags that stand behind arguments, but before a "--", in front of them:
// urfave/cli/v2 takes them for arguments without a word (its issue 1950). Where
// arguments may look like flags, see checkFlags, that goes for --help alone: who asks
// for help should not get a lesson in order.
func (a *app) hoist(line []string) []string {
	command, words := a.named(line)
	if command == nil {
		return line
	}
	own, rest := line[:words:words], line[words:]
	for _, arg := range rest {
		if arg == "--" {
			break
		}
		if arg == "-h" || arg == "--help" || arg == "-help" {
			return append(own, "--help")
		}
	}
	if takesAnything(command.ArgsUsage) || len(command.Subcommands) > 0 {
		return line
	}
	return append(own, hoistFlags(rest, command.Flags)...)
}

func hoistFlags(args []string, flags []cli.Flag) []string {
	var front, rest []string
	for len(args) > 0 && args[0] != "--" {
		n := 1
		switch {
		case !isFlag(args[0]):
			rest = append(rest, args[0])
			args = args[1:]
			continue
		case !wantsValue(args[0], flags):
		case len(args) == 1:
			return append(front, args[0]) // it must not take an argument for its value
		default:
			n = 2
		}
		front = append(front, args[:n]...)
		args = args[n:]
	}
	return slices.Concat(front, rest, args)
}

// wantsValue reports whether the next word is the value of a flag.
func wantsValue(arg string, flags []cli.Flag) bool {
	for _, f := range flags {
		if slices.Contains(f.Names(), strings.TrimLeft(arg, "-")) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false // an unknown flag, or its value stands behind a =
}

// checkFlags refuses flags that stand behind positional arguments. In args, which is
// the command line behind the command's name, the first "--" ends the check;
// positional is what the parser left of it. The result is positional without that "--".
func checkFlags(usage string, args, positional []string) ([]string, error) {
	if i := len(args) - len(positional) - 1; i >= 0 && args[i] == "--" {
		return positional, nil // the parser has already eaten it
	}
	for i, arg := range positional {
		switch {
		case arg == "--":
			return append(positional[:i:i], positional[i+1:]...), nil
		case isFlag(arg):
			return nil, usagef("flag %s stands behind the arguments, where it would be ignored; the order is: %s (or put -- before arguments that begin with -)", arg, usage)
		}
	}
	return positional, nil
}
