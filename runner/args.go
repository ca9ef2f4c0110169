package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
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
	case "timeout", "in", "interval":
		want = reflect.TypeFor[time.Duration]()
	}
	return fmt.Sprintf("%s%s is %s, want %s", dashes, m[2], m[1], wanted(want))
}

// checkFlags refuses flags that stand behind positional arguments, which
// urfave/cli/v2 takes for arguments without a word (its issue 1950). Negative
// numbers are no flags. In args, which is the command line behind the command's
// name, the first "--" ends the check; positional is what the parser left of it.
// The result is positional without that "--".
func checkFlags(usage string, args, positional []string) ([]string, error) {
	if i := len(args) - len(positional) - 1; i >= 0 && args[i] == "--" {
		return positional, nil // the parser has already eaten it
	}
	for i, arg := range positional {
		switch {
		case arg == "--":
			return append(positional[:i:i], positional[i+1:]...), nil
		case len(arg) > 1 && arg[0] == '-' && !json.Valid([]byte(arg)):
			return nil, usagef("flag %s stands behind the arguments, where it would be ignored; the order is: %s (or put -- before arguments that begin with -)", arg, usage)
		}
	}
	return positional, nil
}
