package arrows_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
)

// systems are those on which people run the program.
func systems() []string { return []string{"linux", "darwin", "windows"} }

// A dependency is what the go command tells of a package.
type dependency struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	ImportMap  map[string]string // what an import path in its files stands for, where it is not itself
}

// dependencies returns the packages that a pattern names and all that they import
// on a system, each behind those that it imports itself.
func dependencies(t *testing.T, system, pattern string) []dependency {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Imports,ImportMap", pattern)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &complaint)
	}
	var all []dependency
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var d dependency
		switch err := decoder.Decode(&d); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("read the answer of go list: %v", err)
		}
		all = append(all, d)
	}
}
