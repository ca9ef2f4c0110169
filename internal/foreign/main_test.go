//go:build unix

// Package foreign runs every program of examples/clients, in each language, against
// the real thing: brokers, the program journeyman, its gateway. What the wire's
// documents promise to other languages is true as long as these tests pass.
package foreign

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/runner"
)

// childVariable makes the test binary an application whose calculator cannot add.
const childVariable = "FOREIGN_CHILD"

// built is a folder for what is built here, which is removed in the end.
var built string

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		runner.Main(dial.Open, runner.RPC("calculator", "cannot add", func(runner.Resources) (*jsonrpc.Mux, error) {
			return new(jsonrpc.Mux), nil
		}))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "foreign-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	return m.Run()
}

// buildJourneyman returns the path of the program, which is built once.
var buildJourneyman = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "journeyman")
	build := exec.CommandContext(context.Background(), "go", "build", "-buildvcs=false", "-o", path, "../..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as "make build" does on the build server, so that it is there already
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build journeyman: %w\n%s", err, out)
	}
	return path, nil
})

func journeyman(t *testing.T) string {
	t.Helper()
	path, err := buildJourneyman()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
