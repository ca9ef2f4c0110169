//go:build !race

// The race detector has nothing to find here, and makes it five times as slow.

package arrows_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// TestPortable type-checks the module for the systems on which it is not being
// built here, from source: that takes seconds, where compiling the standard library
// for each takes minutes.
func TestPortable(t *testing.T) {
	t.Parallel()
	sources(t)
	for _, system := range slices.DeleteFunc(systems(), func(s string) bool { return s == runtime.GOOS }) {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			checked := checker{"unsafe": types.Unsafe}
			for _, d := range dependencies(t, system, "./...") {
				if d.ImportPath != "unsafe" && len(d.GoFiles) > 0 {
					checked.check(t, d)
				}
			}
		})
	}
}

// A checker holds the packages that it has checked, by their import paths.
type checker map[string]*types.Package

// check type-checks a package whose imports have been checked before; of other
// people's packages only what can be seen from outside.
func (c checker) check(t *testing.T, d dependency) {
	t.Helper()
	_, own := ours(d.ImportPath)
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range d.GoFiles {
		file, err := parser.ParseFile(files, filepath.Join(d.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	conf := types.Config{
		Importer:         importer{c, d},
		Sizes:            types.SizesFor("gc", runtime.GOARCH),
		IgnoreFuncBodies: !own,
	}
	if own {
		conf.Error = func(err error) { t.Error(err) } // all of them, not the first alone
	}
	pkg, err := conf.Check(d.ImportPath, files, parsed, nil)
	if err != nil && !own {
		t.Fatalf("type-check %s: %v", d.ImportPath, err)
	}
	c[d.ImportPath] = pkg
}

// An importer finds what the files of a package import.
type importer struct {
	checked checker
	by      dependency
}

// Import implements [types.Importer].
func (i importer) Import(imported string) (*types.Package, error) {
	if actual, ok := i.by.ImportMap[imported]; ok {
		imported = actual
	}
	if pkg, ok := i.checked[imported]; ok {
		return pkg, nil
	}
	return nil, fmt.Errorf("%s is not among the dependencies of %s", imported, i.by.ImportPath)
}
