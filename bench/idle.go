package main

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// settling is how long idle workers are left alone first: start-up is over then, and
// their leases are steady.
const settling = 10 * time.Second

// idle leaves workers alone. Of the outcome it fills in the time, the CPU seconds, and
// what is in Idle.
func (r *oneRun) idle(ctx context.Context) (found outcome, err error) {
	if err := r.startWorkers(ctx, r.scenario.workers); err != nil {
		return found, err
	}
	if err := pause(ctx, min(settling, r.bench.idle)); err != nil {
		return found, err
	}
	pids := map[string][]int{"workers": r.workerPids(), "broker": r.broker}
	commands, err := r.commands(ctx)
	if err != nil {
		return found, err
	}
	before, began := cpuTimes(pids), time.Now()
	if err := pause(ctx, r.bench.idle); err != nil {
		return found, err
	}
	found.Seconds, found.CPU = time.Since(began).Seconds(), cpuTimes(pids)
	for kind := range found.CPU {
		found.CPU[kind] -= before[kind]
	}
	after, err := r.commands(ctx)
	if err != nil {
		return found, err
	}
	found.Idle = &idleCost{Workers: len(r.workers), Commands: map[string]float64{}}
	for name, n := range after {
		if n -= commands[name]; n > 0 && name != "info" {
			found.Idle.Commands[name] = n / found.Seconds
		}
	}
	for _, pid := range r.workerPids() {
		found.Idle.Resident = max(found.Idle.Resident, resident(pid))
	}
	return found, nil
}

// An idleCost is what workers cost that have nothing to do.
type idleCost struct {
	Workers  int                `json:"workers"`
	Resident int64              `json:"resident"` // bytes in RAM of the largest
	Commands map[string]float64 `json:"commands"` // per second, of all workers together; Redis alone. Those within scripts count too
}

// commands returns how often Redis has run each command.
func (r *oneRun) commands(ctx context.Context) (map[string]float64, error) {
	if r.system.carrier != "redis" {
		return nil, nil
	}
	text, err := r.client.Info(ctx, "commandstats").Result()
	if err != nil {
		return nil, err
	}
	counts := map[string]float64{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		number, _, _ := strings.Cut(rest, ",")
		if n, err := strconv.ParseFloat(number, 64); ok && err == nil {
			counts[name] = n
		}
	}
	return counts, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
