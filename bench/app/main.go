// Command app is the app whose workers the bench measures: a user's app like any other,
// with the services of the reference app and one more.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/services"
)

// profileVariable names the file for a CPU profile, if one is wanted.
const profileVariable = "BENCH_PROFILE"

func main() {
	programs := append(services.All(), runner.RPC("sizes", "tells the length of a text", newSizes))
	file := os.Getenv(profileVariable)
	if file == "" {
		runner.Main(dial.Open, programs...)
	}
	code, err := profiled(file, programs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		code = 2
	}
	os.Exit(code)
}

// profiled does what runner.Main does, and writes a profile.
func profiled(file string, programs []runner.Program) (code int, err error) {
	f, err := os.Create(file) //nolint:gosec // named by whoever measures
	if err != nil {
		return 0, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	code = runner.Execute(context.Background(), runner.System{
		Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
	}, dial.Open, programs...)
	pprof.StopCPUProfile()
	return code, f.Close()
}

type text struct {
	Text string `json:"text"`
}

func newSizes(runner.Resources) (*jsonrpc.Mux, error) {
	mux := new(jsonrpc.Mux)
	mux.Handle("size", jsonrpc.Func(func(_ context.Context, in text) (int, error) { return len(in.Text), nil }))
	return mux, nil
}
