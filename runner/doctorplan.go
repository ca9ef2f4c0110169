package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/journeyman-go/journeyman/internal/procfile"
	"github.com/journeyman-go/journeyman/transports"
)

// formation compares the Procfile with the services that there are, and counts the
// processes that will be connected. flag is what the command line says of their
// numbers; it alone can be at fault so that nothing else is looked at.
func (d *checkup) formation(file, flag string) error {
	f, err := os.Open(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.note(transports.Fine, "Procfile", "", "There is no %s here, so nobody knows how many processes will run.", file)
		return nil
	case err != nil:
		d.fault("Procfile", err.Error())
		return nil
	}
	defer f.Close()
	entries, err := procfile.Parse(f)
	if err != nil {
		for fault := range strings.Lines(err.Error()) {
			d.fault("Procfile", strings.TrimSpace(fault))
		}
		return nil
	}
	numbers := d.quantities(entries)
	counts, err := procfile.Scale(entries, formationOf(numbers, flag))
	if err != nil {
		return usagef("%v", err)
	}
	d.entries(file, entries, counts)
	return nil
}

// quantities reads how many of each process app.json asks for, if it does.
func (d *checkup) quantities(entries []procfile.Entry) map[string]int {
	const file = "app.json"
	text, err := os.ReadFile(file)
	if err != nil {
		return nil // few apps have one
	}
	var manifest struct {
		Formation map[string]struct {
			Quantity *int `json:"quantity"`
		} `json:"formation"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		d.fault(file, fmt.Sprintf("it is not the JSON that platforms read: %v", err))
		return nil
	}
	numbers := make(map[string]int)
	for name, f := range manifest.Formation {
		switch {
		case !slices.ContainsFunc(entries, func(e procfile.Entry) bool { return e.Name == name }):
			d.note(transports.Warning, file, "Add it to the Procfile, or remove it here.", "Its formation has a process type %q that the Procfile lacks.", name)
		case f.Quantity != nil:
			numbers[name] = min(max(*f.Quantity, 0), procfile.MaxInstances)
		}
	}
	for _, e := range entries {
		if _, given := numbers[e.Name]; len(numbers) > 0 && !given && e.Name != "release" {
			d.note(transports.Warning, file, "Add it to the formation.", "Its formation lacks %s: Dokku runs none of what is not in it.", e.Name)
		}
	}
	return numbers
}

// formationOf adds to what the command line says what it leaves open.
func formationOf(numbers map[string]int, flag string) string {
	parts := []string{flag}
	for name, n := range numbers {
		named := slices.ContainsFunc(strings.Split(flag, ","), func(pair string) bool {
			given, _, _ := strings.Cut(pair, "=")
			given = strings.TrimSpace(given)
			return given == name || given == "all"
		})
		if !named {
			parts = append(parts, fmt.Sprintf("%s=%d", name, n))
		}
	}
	return strings.Join(parts, ",")
}

// entries looks at what each line of the Procfile runs.
func (d *checkup) entries(file string, entries []procfile.Entry, counts []int) {
	before := len(d.findings)
	d.noWeb = true
	var run []string
	served := make(map[string]bool)
	for i, e := range entries {
		order, ok := d.ordered(e.Command)
		if !ok {
			continue
		}
		d.plan.Processes += counts[i]
		run = append(run, fmt.Sprintf("%s=%d", e.Name, counts[i]))
		served[order.service] = true
		d.noWeb = d.noWeb && order.verb != "web"
		d.entry(file, e, order)
	}
	for _, name := range d.names() {
		if !served[name] {
			d.note(transports.Warning, file, fmt.Sprintf("Add the line %q.", name+": "+d.name+" serve "+name), "No line runs %s.", name)
		}
	}
	switch {
	case len(d.findings) > before:
	case len(run) == 0:
		d.note(transports.Fine, file, "", "It runs nothing of %s.", d.name)
	default:
		d.note(transports.Fine, file, "", "Every service has its line: %s.", strings.Join(run, ", "))
	}
}

func (d *checkup) entry(file string, e procfile.Entry, o order) {
	line := fmt.Sprintf("line %d, %s", e.Line, e.Name)
	switch {
	case o.verb == "serve" && o.service == "":
		d.fault(file, line+", serves no service; put the name of one behind \"serve\"")
	case o.verb == "serve" && !slices.Contains(d.names(), o.service):
		hint := didYouMean(o.service, d.names())
		d.fault(file, fmt.Sprintf("%s, serves %q, which is no service of this app%s", line, o.service, hint))
	case o.verb == "web" && e.Name != "web":
		d.note(transports.Warning, file, "Call it web.", "%s, runs the gateway, and platforms send HTTP to the process type web alone.", sentenceStart(line))
	}
	if e.Name != "web" && transports.CheckName(e.Name) != nil {
		d.note(transports.Warning, file, "Use 1 to 24 letters a-z.", "%s: not every platform takes such a name.", sentenceStart(line))
	}
	if strings.HasPrefix(strings.TrimPrefix(o.path, "./"), "bin/") {
		d.note(transports.Warning, file, fmt.Sprintf("Call %s alone: it is on PATH everywhere.", d.name),
			"%s, calls %s, which is not there under Heroku's newer builder.", sentenceStart(line), o.path)
	}
}

func sentenceStart(line string) string { return strings.ToUpper(line[:1]) + line[1:] }

// An order is a command line of this program.
type order struct {
	path    string // as it is called
	verb    string // serve or web
	service string // with serve
}

// ordered finds this program in the command of a Procfile.
func (d *checkup) ordered(command string) (o order, ok bool) {
	words := strings.Fields(command)
	for i := range len(words) - 1 {
		if filepath.Base(words[i]) != d.name || words[i+1] != "serve" && words[i+1] != "web" {
			continue
		}
		o = order{path: words[i], verb: words[i+1]}
		if o.verb == "serve" {
			o.service = d.servedIn(words[i+2:])
		}
		return o, true
	}
	return order{}, false
}

// servedIn returns the service among the words behind "serve": the one that there
// is, else the last one that is no flag.
func (d *checkup) servedIn(words []string) (service string) {
	for _, word := range words {
		word = strings.Trim(word, `"'`)
		if slices.Contains(d.names(), word) {
			return word
		}
		if word != "" && word[0] != '-' {
			service = word
		}
	}
	return service
}
