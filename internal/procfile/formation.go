package procfile

import (
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
		faults []string
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
			faults = append(faults, fmt.Sprintf("%q is not NAME=NUMBER, with a number from 0 to %d", pair, MaxInstances))
		case twice:
			faults = append(faults, fmt.Sprintf("%s is named twice", name))
		case name != all && !slices.ContainsFunc(entries, func(e Entry) bool { return e.Name == name }):
			faults = append(faults, fmt.Sprintf("the Procfile has no process type %q but %s", name, names(entries)))
		}
		wanted[name] = n
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("formation %q: %s", formation, strings.Join(faults, "; "))
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
