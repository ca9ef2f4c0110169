package arrows_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// module is the path under which everybody imports this house.
const module = "github.com/journeyman-go/journeyman"

// root is the module's folder, seen from this one.
const root = "../.."

// A source is one Go file of this module.
type source struct {
	dir     string   // of its package, below the module; "." for the root
	name    string   // the file's, below the module
	pkg     string   // as its package clause says
	test    bool     // belongs to a test binary alone
	imports []string // paths; those of this house as ours wants them
}

// sources reads every Go file of the module, whatever system it is for: the go
// command alone would show those of one system. Modules inside this one and what
// the go command ignores are left out.
//
// Tests that ask the go command call it, too: go test caches a result for as long
// as the files that the test itself has opened are the same.
func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enter(name)
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		s, err := read(name)
		found = append(found, s)
		return err
	})
	if err != nil {
		t.Fatalf("read the tree: %v", err)
	}
	if len(found) == 0 {
		t.Fatalf("no Go file below %s", root)
	}
	return found
}

// enter returns fs.SkipDir for a folder that holds nothing of this module.
func enter(dir string) error {
	if dir == root {
		return nil
	}
	base := filepath.Base(dir)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func read(name string) (source, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		return source{}, err
	}
	below, err := filepath.Rel(root, name)
	if err != nil {
		return source{}, err
	}
	below = filepath.ToSlash(below)
	s := source{
		dir: path.Dir(below), name: below, pkg: file.Name.Name,
		test: strings.HasSuffix(below, "_test.go"),
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, err
		}
		s.imports = append(s.imports, imported)
	}
	return s, nil
}

// ours returns the folder of a package of this house.
func ours(imported string) (dir string, ok bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// standard reports whether a path is one of the standard library's, whose first
// elements have no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}
