package procfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxInstances is the most that a formation may ask of one process type: ports
// are dealt out by the hundred, so one more would get the next type's port.
const MaxInstances = 100

// Scale says how many instances of each entry a formation asks for, in the order
// of entries. A formation looks like "web=1,calculator=2". What it does not name
// keeps one instance, as with Heroku's ps:scale, or the number that "all=" gives:
// "all=0,web=1" runs web alone. (foreman starts nothing but what is named.)
func Scale(entries []Entry, formation string) ([]int, error) {
	const all = "all"
	var (
		wanted = make(map[string]int)
		faults []error
	)
	for pair := range strings.SplitSeq(formation, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, number, _ := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		n, err := strconv.Atoi(strings.TrimSpace(number))
		switch _, twice := wanted[name]; {
		case err != nil || n < 0 || n > MaxInstances:
			faults = append(faults, fmt.Errorf("%q: want name=number, with a number from 0 to %d", pair, MaxInstances))
		case twice:
			faults = append(faults, fmt.Errorf("%s is named twice", name))
		case name != all && !slices.ContainsFunc(entries, func(e Entry) bool { return e.Name == name }):
			faults = append(faults, fmt.Errorf("no process type %q in the Procfile, which has %s", name, names(entries)))
		}
		wanted[name] = n
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("formation %q: %w", formation, err)
	}

	counts := make([]int, len(entries))
	for i, e := range entries {
		counts[i] = 1
		if n, given := wanted[all]; given {
			counts[i] = n
		}
		if n, given := wanted[e.Name]; given {
			counts[i] = n
		}
	}
	return counts, nil
}

func names(entries []Entry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Name)
	}
	return strings.Join(list, ", ")
}
