package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// An environment is what a command learns from around it before it starts.
type environment struct {
	config   Config
	platform platform
	broker   broker // zero: none is set, and there is no default on a platform
	settings []setting
	warnings []string        // for people, not worth an exit
	dotEnv   map[string]bool // variables that .env set
	faults   []string        // what must be put right first
	missing  string          // the same, of commands that need a broker
}

const ours = "JOURNEYMAN_"

// readEnvironment reads the process environment and, on somebody's own machine,
// .env and .journeyman/start.json in dir. It adds what .env says to the process
// environment, so that child processes see it.
func readEnvironment(dir string) environment {
	var e environment
	e.platform = detectPlatform(os.Getenv)
	if e.platform.name == "" {
		var err error
		if e.dotEnv, err = loadDotEnv(filepath.Join(dir, ".env")); err != nil {
			e.faults = append(e.faults, err.Error())
		}
	}

	config, settings, faults := readConfig()
	e.config, e.settings = config, settings
	e.faults = append(e.faults, faults...)
	e.settleDrain()

	environ := environMap()
	e.findBroker(dir, environ)

	var names []string
	for i, s := range e.settings {
		names = append(names, s.Name)
		if e.dotEnv[s.Name] {
			e.settings[i].Source = ".env"
		}
	}
	e.settleBroker()
	e.warnings = append(e.warnings, unknownNames(environ, names)...)
	return e
}

// findBroker decides where messages go. dir is where a "start" may have left the
// address of its broker.
func (e *environment) findBroker(dir string, environ map[string]string) {
	c := choice{url: e.config.URL, transport: e.config.Transport}
	if !slices.ContainsFunc(families(), func(f family) bool { return f.name == c.transport }) {
		c.transport = "" // one fault says so already; another for what is not found would only confuse
	}
	addresses, faults := parseServices(string(e.config.Services))
	e.faults = append(e.faults, faults...)
	switch s := e.setting("JOURNEYMAN_SERVICES"); {
	case len(faults) > 0:
		s.Value += " (invalid)"
	case len(addresses) > 0:
		s.Value = showAddresses(addresses)
	}
	c.addresses = addresses

	found, err := findBroker(c, environ)
	switch {
	case err != nil:
		e.faults = append(e.faults, err.Error())
	case found.transport == overHTTP && e.platform.name == "":
		found.addresses = withStarted(found.addresses, dir)
	case found.transport != "":
	case e.platform.name == "":
		found = startedBroker(dir, c.transport)
	case c.transport == overHTTP:
		found = noAddresses()
	default:
		e.missing = noBroker(e.platform.name)
	}
	e.broker = found
	if len(addresses) > 0 && found.transport != "" && found.transport != overHTTP {
		e.warnings = append(e.warnings, fmt.Sprintf("JOURNEYMAN_SERVICES does nothing, as %s names a broker; set JOURNEYMAN_TRANSPORT=http to do without", found.source))
	}
}

// noAddresses is HTTP without an address, which will do for a service that calls
// no other.
func noAddresses() broker { return broker{transport: overHTTP, source: "JOURNEYMAN_TRANSPORT"} }

// settleDrain gives Drain the platform's time where nobody set one.
func (e *environment) settleDrain() {
	s := e.setting("JOURNEYMAN_DRAIN")
	if s.Source != "default" {
		return
	}
	e.config.Drain = e.platform.drain
	s.Value = e.config.Drain.String()
	if e.platform.name != "" {
		s.Source = e.platform.name
	}
}

// settleBroker shows what won, wherever it came from.
func (e *environment) settleBroker() {
	b := e.broker
	if b.transport == "" {
		return
	}
	source := b.source
	if e.dotEnv[source] {
		source += " in .env"
	}
	if b.url != "" {
		s := e.setting("JOURNEYMAN_URL")
		s.Value = redactURL(b.url)
		if b.source != s.Name {
			s.Source = source
		}
	}
	if s := e.setting("JOURNEYMAN_TRANSPORT"); e.config.Transport == "" {
		s.Value, s.Source = b.transport, source
	}
	if s := e.setting("JOURNEYMAN_SERVICES"); len(b.addresses) > 0 && !strings.HasSuffix(s.Value, "(invalid)") {
		s.Value = showAddresses(b.addresses)
		if s.Source == "default" {
			s.Source = source
		}
	}
}

func (e *environment) setting(name string) *setting {
	return &e.settings[slices.IndexFunc(e.settings, func(s setting) bool { return s.Name == name })]
}

// noBroker is the fault of having no broker to talk to on a platform.
func noBroker(platform string) string {
	hint := "set JOURNEYMAN_URL, REDIS_URL or CLOUDAMQP_URL"
	if platform == "Heroku" {
		hint = `add one with "heroku addons:create heroku-redis:mini" or "heroku addons:create cloudamqp:lemur", or set JOURNEYMAN_URL`
	}
	return fmt.Sprintf("no broker is set, and on %s there is none by default; %s", platform, hint)
}

// loadDotEnv adds the variables of a file to the process environment, where the
// real one does not have them, and returns the names that it added.
func loadDotEnv(path string) (map[string]bool, error) {
	values, err := godotenv.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		// The parser's error quotes the line, and this is where secrets stand.
		return nil, fmt.Errorf("%s line %d cannot be read; want lines of the form NAME=value", filepath.Base(path), faultyLine(path))
	}
	added := map[string]bool{}
	for name, value := range values {
		if _, real := os.LookupEnv(name); real {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("%s: set %s: %w", filepath.Base(path), name, err)
		}
		added[name] = true
	}
	return added, nil
}

// faultyLine returns the line of a .env file, counted from 1, at which what can be
// read ends. The parser does not tell, and a value in quotes may span lines, so
// this is the line after the longest part that can be read.
func faultyLine(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 1
	}
	lines := slices.Collect(strings.Lines(string(text)))
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:n], "")); err == nil {
			return n + 1
		}
	}
	return 1
}

// unknownNames finds slips in names of ours, which would otherwise do nothing
// without a word. JOURNEYMAN_TEST_ belongs to the tests of this module.
func unknownNames(environ map[string]string, known []string) (warnings []string) {
	var endings []string // what all have in common would make all of them alike
	for _, name := range known {
		endings = append(endings, strings.TrimPrefix(name, ours))
	}
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		ending, is := strings.CutPrefix(name, ours)
		if !is || strings.HasPrefix(ending, "TEST_") || slices.Contains(known, name) {
			continue
		}
		warning := name + " is no setting of this version"
		if near := nearest(ending, endings); near != "" {
			warning += "; did you mean " + known[slices.Index(endings, near)] + "?"
		}
		warnings = append(warnings, warning)
	}
	return warnings
}

func environMap() map[string]string {
	m := map[string]string{}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		m[name] = value
	}
	return m
}
