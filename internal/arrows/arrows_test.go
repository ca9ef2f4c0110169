package arrows_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// A row says what the package in a folder may import besides the standard
// library. Folders are patterns of path.Match.
type row struct {
	ours      []string // folders of this house
	libraries []string // paths, each with all that lies below it
}

// plan is the whole house. A package without a row fails the test: where it
// stands is decided before it is written.
func plan() map[string]row {
	const (
		cmp         = "github.com/google/go-cmp"
		goleak      = "go.uber.org/goleak"
		amqp        = "github.com/rabbitmq/amqp091-go"
		goRedis     = "github.com/redis/go-redis/v9"
		jsonSchema  = "github.com/google/jsonschema-go"
		uuid        = "github.com/google/uuid"
		prometheus  = "github.com/prometheus/client_golang"
		otel        = "go.opentelemetry.io/otel"
		miniredis   = "github.com/alicebob/miniredis/v2"
		testcontain = "github.com/testcontainers/testcontainers-go"
		jose        = "github.com/go-jose/go-jose/v4"
		rate        = "golang.org/x/time/rate"
	)
	return map[string]row{
		".": {ours: []string{"services", "runner", "dial"}},

		// The three that know nothing of each other.
		"jsonrpc":    {ours: []string{"internal/lifetime"}, libraries: []string{jsonSchema}},
		"transports": {},
		"events":     {},

		"jsonrpc/middleware":       {ours: []string{"jsonrpc"}},
		"transports/memory":        {ours: []string{"transports"}},
		"transports/redislist":     {ours: []string{"transports", "internal/lifetime", "internal/pool", "internal/stale"}, libraries: []string{goRedis, uuid}},
		"transports/rabbitmq":      {ours: []string{"transports", "internal/lifetime", "internal/pool"}, libraries: []string{amqp, uuid}},
		"transports/httprpc":       {ours: []string{"transports", "internal/stale"}, libraries: []string{uuid}},
		"transports/transporttest": {ours: []string{"transports"}, libraries: []string{cmp, goleak}},
		"client":                   {ours: []string{"jsonrpc", "transports", "internal/requestid"}},
		"gateway":                  {ours: []string{"jsonrpc", "transports", "events", "client", "internal/passport", "internal/requestid", "internal/contextlog", "internal/webapp", "internal/jwks", "internal/ticket"}, libraries: []string{prometheus, "github.com/rs/cors", jose, rate}},
		"dial":                     {ours: []string{"runner", "transports", "transports/*", "events", "events/*"}},
		"services":                 {ours: []string{"runner", "jsonrpc", "services/*"}},
		"services/*":               {ours: []string{"jsonrpc", "client", "events"}}, // no transport is named here
		"internal/arrows":          {},
		"internal/endtoend":        {}, // tests alone: the program as its users see it
		"internal/foreign":         {}, // tests alone: programs in other languages
		"internal/procfile":        {},
		"internal/children":        {},
		"internal/load":            {},
		"internal/lifetime":        {},
		"internal/pool":            {},
		"internal/stale":           {},
		"internal/heap":            {},
		"internal/footprint":       {},
		"internal/passport":        {},
		"internal/requestid":       {},
		"internal/contextlog":      {},
		"internal/otlp":            {libraries: []string{otel}},
		"internal/tracing":         {ours: []string{"jsonrpc", "transports", "internal/otlp"}, libraries: []string{otel}},
		"internal/otlptest":        {libraries: []string{"go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf"}},
		"internal/webapp":          {ours: []string{"jsonrpc"}},
		"internal/jwks":            {libraries: []string{jose}},
		"internal/ticket":          {},
		"internal/foreman":         {ours: []string{"internal/procfile", "internal/children"}},
		"internal/devbroker":       {ours: []string{"internal/children"}, libraries: []string{goRedis, miniredis}},
		"internal/brokertest":      {ours: []string{"internal/children"}, libraries: []string{goRedis, amqp, testcontain}},
		"runner": {
			ours: []string{
				"jsonrpc", "jsonrpc/middleware", "transports", "events", "client", "gateway",
				"internal/procfile", "internal/foreman", "internal/devbroker", "internal/heap", "internal/footprint", "internal/load", "internal/passport", "internal/tracing", "internal/webapp", "internal/jwks",
				"internal/ticket", "internal/requestid", "internal/contextlog",
			},
			libraries: []string{
				"github.com/urfave/cli/v2", "github.com/kelseyhightower/envconfig", "github.com/joho/godotenv",
				"github.com/lmittmann/tint", "golang.org/x/term", "github.com/gofrs/flock",
			},
		},
	}
}

// TestArrows holds what is built into programs to the plan.
func TestArrows(t *testing.T) {
	t.Parallel()
	rows := plan()
	for _, s := range sources(t) {
		r, ok := find(rows, s.dir)
		if !ok {
			t.Errorf("%s: the folder %s has no row in the plan; add one and say what it may import", s.name, s.dir)
			continue
		}
		if s.test {
			continue
		}
		for _, imported := range s.imports {
			if !r.allows(imported) {
				t.Errorf("%s imports %s, which the plan does not allow %s to", s.name, imported, s.dir)
			}
			if forTests(imported) && !strings.HasSuffix(s.dir, "test") {
				t.Errorf("%s imports %s, which is for tests", s.name, imported)
			}
		}
	}
}

// TestArrowsOfTests: tests may join what the plan keeps apart, except in the three
// packages that know nothing of each other. They use the house's own libraries
// and two for tests.
func TestArrowsOfTests(t *testing.T) {
	t.Parallel()
	rows := plan()
	known := row{libraries: []string{"github.com/google/go-cmp", "go.uber.org/goleak"}}
	for _, r := range rows {
		known.libraries = append(known.libraries, r.libraries...)
	}
	apart := []string{"jsonrpc", "transports", "events"}
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		for _, imported := range s.imports {
			dir, own := ours(imported)
			first, _, _ := strings.Cut(s.dir, "/")
			switch other, _, _ := strings.Cut(dir, "/"); {
			case !own && !known.allows(imported):
				t.Errorf("%s imports %s, a library that nothing else here uses", s.name, imported)
			case own && first != other && slices.Contains(apart, first) && slices.Contains(apart, other):
				t.Errorf("%s imports %s: %s and %s know nothing of each other, not even in tests", s.name, imported, first, other)
			}
		}
	}
}

// TestNames: a package is named for what it offers, and as its folder.
func TestNames(t *testing.T) {
	t.Parallel()
	empty := []string{"base", "common", "core", "helper", "helpers", "lib", "misc", "pkg", "shared", "util", "utils"}
	for _, s := range sources(t) {
		name := strings.TrimSuffix(s.pkg, "_test")
		if slices.Contains(empty, name) {
			t.Errorf("%s: package %s says nothing of what it offers", s.name, name)
		}
		if s.dir != "." && name != path.Base(s.dir) {
			t.Errorf("%s: package %s stands in the folder %s", s.name, name, s.dir)
		}
		for _, imported := range s.imports {
			if s.test || standard(imported) {
				continue
			}
			if name == nameOf(imported) {
				t.Errorf("%s: package %s has the name of %s, so whoever uses both must rename one", s.name, name, imported)
			}
		}
	}
}

// find returns the row of a folder, preferring one that names it.
func find(rows map[string]row, dir string) (row, bool) {
	if r, ok := rows[dir]; ok {
		return r, true
	}
	for pattern, r := range rows {
		if match(pattern, dir) {
			return r, true
		}
	}
	return row{}, false
}

func (r row) allows(imported string) bool {
	if dir, ok := ours(imported); ok {
		return slices.ContainsFunc(r.ours, func(pattern string) bool { return match(pattern, dir) })
	}
	return standard(imported) || slices.ContainsFunc(r.libraries, func(l string) bool { return within(imported, l) })
}

// within reports whether imported is library or lies below it.
func within(imported, library string) bool {
	return imported == library || strings.HasPrefix(imported, library+"/")
}

func match(pattern, dir string) bool {
	ok, err := path.Match(pattern, dir)
	if err != nil {
		panic(err) // a pattern of the plan is wrong
	}
	return ok
}

// nameOf returns the name that a package most likely has: the last element of
// its path that is no version.
func nameOf(imported string) string {
	name := path.Base(imported)
	if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
		name = path.Base(path.Dir(imported))
	}
	return name
}
