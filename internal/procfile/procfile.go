// Package procfile reads the file that lists an app's process types, and the
// formation that says how many of each to run.
package procfile

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// An Entry is one line of a Procfile: a process type and its command.
type Entry struct {
	Name    string
	Command string
	Line    int // counted from 1
}

// The form that foreman, honcho and Paketo read (foreman: lib/foreman/procfile.rb).
var entryLine = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`)

// Parse reads a Procfile and returns its entries in file order. Blank lines and
// lines that begin with # are skipped. Every other line that is no entry, and
// every name that stands twice, is named in the error with its line number: where
// foreman passes over them, Heroku's newer builders and Dokku refuse the whole
// file, and here is the cheaper place to learn of it.
func Parse(r io.Reader) ([]Entry, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read Procfile: %w", err)
	}
	var (
		entries []Entry
		faults  []error
		seen    = make(map[string]int)
		number  int
	)
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		found := entryLine.FindStringSubmatch(line)
		if found == nil {
			faults = append(faults, fmt.Errorf("line %d: want \"name: command\", with letters, digits, - and _ in the name", number))
			continue
		}
		name := found[1]
		if first, twice := seen[name]; twice {
			faults = append(faults, fmt.Errorf("line %d: %s is already on line %d", number, name, first))
			continue
		}
		seen[name] = number
		entries = append(entries, Entry{Name: name, Command: found[2], Line: number})
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, errors.New("no entries; want lines like \"web: shop web\"")
	}
	return entries, nil
}
