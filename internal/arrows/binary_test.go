package arrows_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// TestBinary: no library for tests reaches the binary that users run. Such things
// come in by one careless import (river's programs carried testify until 0.43.0)
// and bring flags, init functions and megabytes.
//
// miniredis is no exception that this test must make, though it was written for
// tests: it is the development broker of "start", and imports neither testing nor
// any of these.
func TestBinary(t *testing.T) {
	t.Parallel()
	sources(t)
	for _, system := range systems() {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			all := dependencies(t, system, ".")
			if !slices.ContainsFunc(all, func(d dependency) bool { return d.ImportPath == module+"/runner" }) {
				t.Fatalf("the binary for %s does not contain package runner; so this test looks at the wrong one", system)
			}
			for _, d := range all {
				if forTests(d.ImportPath) {
					t.Errorf("the binary for %s contains %s, by way of %s", system, d.ImportPath, strings.Join(importers(all, d.ImportPath), ", "))
				}
			}
		})
	}
}

// forTests reports whether a package is of use in tests alone.
func forTests(imported string) bool {
	for _, library := range []string{
		"testing",
		"github.com/google/go-cmp",
		"github.com/testcontainers/testcontainers-go",
		"github.com/moby/moby",
		"github.com/docker/docker",
		"github.com/stretchr/testify",
		"github.com/onsi",
		"github.com/Shopify/toxiproxy",
		"go.uber.org/goleak",
		"go.uber.org/mock",
	} {
		if within(imported, library) {
			return true
		}
	}
	// httptest, transporttest, brokertest, …; package sync has a hook for synctest.
	return strings.HasSuffix(path.Base(imported), "test") && imported != "internal/synctest"
}

// importers returns the packages that import one.
func importers(all []dependency, imported string) []string {
	var found []string
	for _, d := range all {
		if slices.Contains(d.Imports, imported) {
			found = append(found, d.ImportPath)
		}
	}
	return found
}
