package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/internal/load"
)

// roleVariable says call or work: the bench runs itself again, so that callers and the
// workers of the base are processes of their own.
const roleVariable = "BENCH_ROLE"

// profileVariable names the file for the CPU profile of a worker of ours.
const profileVariable = "BENCH_PROFILE"

// readyLine is what a base worker says when it takes requests.
const readyLine = "base worker: ready"

// An order is what the bench tells a process on its standard input.
type order struct {
	System  string           `json:"system"`
	Target  target           `json:"target"`
	Warmup  time.Duration    `json:"warmup"`
	Window  time.Duration    `json:"window"`
	Pids    map[string][]int `json:"pids"`    // processes whose CPU time is counted: workers, broker
	Profile string           `json:"profile"` // file for the caller's CPU profile
}

// An outcome is what a caller process tells on its standard output.
type outcome struct {
	Calls   int64              `json:"calls"`   // requests that succeeded within the window
	Seconds float64            `json:"seconds"` // how long that was
	P50     time.Duration      `json:"p50"`     // ns
	P99     time.Duration      `json:"p99"`
	Max     time.Duration      `json:"max"`
	Failed  map[string]int64   `json:"failed,omitempty"`
	CPU     map[string]float64 `json:"cpu"` // seconds within the window: caller, workers, broker
	Idle    *idleCost          `json:"idle,omitempty"`
}

func (o outcome) rate() float64 {
	if o.Seconds <= 0 {
		return 0
	}
	return float64(o.Calls) / o.Seconds
}

// play plays the role that the environment gives this process, and ends it.
func play(role string) error {
	if role != "call" && role != "work" {
		return fmt.Errorf("%s is %q, want call or work", roleVariable, role)
	}
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	i := slices.IndexFunc(systems(), func(s *system) bool { return s.name == o.System })
	if i < 0 {
		return fmt.Errorf("no system is named %q", o.System)
	}
	s := systems()[i]
	if role == "work" {
		return s.work(o.Target, func() { fmt.Fprintln(os.Stderr, readyLine) })
	}
	result, err := s.measure(context.Background(), o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// measure calls for as long as it is told, and counts the CPU time of everybody who
// had a part in the calls that it counts.
func (s *system) measure(ctx context.Context, o order) (outcome, error) {
	c, err := s.open(o.Target)
	if err != nil {
		return outcome{}, fmt.Errorf("open %s: %w", s.name, err)
	}
	defer c.Close()
	if err := firstCalls(ctx, c, o.Target); err != nil {
		return outcome{}, err
	}
	pids := map[string][]int{"caller": {os.Getpid()}}
	maps.Copy(pids, o.Pids)
	before := make(chan map[string]float64, 1)
	stopProfile := func() {}
	time.AfterFunc(o.Warmup, func() {
		if o.Profile != "" {
			stopProfile = profile(o.Profile)
		}
		before <- cpuTimes(pids)
	})
	report := load.Run(ctx, load.Plan{Callers: o.Target.Callers, Warmup: o.Warmup, Window: o.Window},
		func(ctx context.Context, n int) error {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			return c.call(ctx, n)
		})
	cpu, began := cpuTimes(pids), <-before
	stopProfile()
	for kind := range cpu {
		cpu[kind] -= began[kind]
	}
	return outcome{
		Calls: report.Calls * s.per, Seconds: report.Elapsed.Seconds(), Failed: report.Failed, CPU: cpu,
		P50: report.Latency.Quantile(0.5), P99: report.Latency.Quantile(0.99), Max: report.Latency.Max(),
	}, nil
}

// callTimeout is the deadline of each call, the same for all systems.
const callTimeout = 25 * time.Second

// firstCalls returns when a call has succeeded, at each worker that has an address of its
// own, and each caller has made one: connections are there before anything is counted.
func firstCalls(ctx context.Context, c caller, t target) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for n := range t.URLs {
		if err := firstCall(ctx, c, n); err != nil {
			return err
		}
	}
	var all sync.WaitGroup
	for n := range t.Callers {
		all.Go(func() { _ = c.call(ctx, n) }) // what goes wrong will do so again, and be counted
	}
	all.Wait()
	return nil
}

func firstCall(ctx context.Context, c caller, n int) error {
	for {
		err := c.call(ctx, n)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no call succeeded: %w", err)
		}
	}
}

// profile starts a CPU profile and returns what ends it.
func profile(file string) (stop func()) {
	f, err := os.Create(file)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "profile:", err)
		}
	}
}
