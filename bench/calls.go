package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
)

// A oneRun is one system in one scenario, once.
type oneRun struct {
	*bench
	scenario scenario
	system   *system
	target   target
	broker   []int // its process
	workers  []*child
}

// startWorkers starts the scenario's workers and returns when they take requests.
func (r *oneRun) startWorkers(ctx context.Context, n int) error {
	if r.system.carrier == "http" {
		r.target.URLs = nil // each worker has its own
	}
	for i := range n {
		p, err := r.startWorker(i)
		if err != nil {
			return err
		}
		r.workers = append(r.workers, p)
	}
	for _, p := range r.workers {
		if err := p.says(ctx, readyLine, "msg=ready", "msg=listening"); err != nil {
			return err
		}
	}
	return nil
}

func (r *oneRun) startWorker(i int) (*child, error) {
	name := fmt.Sprintf("%s-worker-%d", r.system.name, i+1)
	var env []string
	if r.system.carrier == "http" {
		address, err := r.freeAddress()
		if err != nil {
			return nil, err
		}
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		r.target.URLs, r.target.Listen = append(r.target.URLs, "http://"+address), address
		env = []string{"JOURNEYMAN_TRANSPORT=http", "JOURNEYMAN_BIND=127.0.0.1", "PORT=" + port}
	} else {
		env = []string{"JOURNEYMAN_URL=" + r.target.URLs[0]}
	}
	if !r.system.ours() {
		return r.role(name, "work", order{System: r.system.name, Target: r.target})
	}
	if r.profile != "" {
		env = append(env, profileVariable+"="+r.profileOf(fmt.Sprintf("worker-%d", i+1)))
	}
	cmd := exec.Command(r.app, "serve", r.target.Work.service())
	cmd.Env = append(r.environment(), "JOURNEYMAN_LOG_FORMAT=text", fmt.Sprintf("JOURNEYMAN_MAX_QUEUE=%d", manyQueued))
	cmd.Env = append(cmd.Env, env...)
	return r.spawn(name, cmd)
}

// profileOf returns the file for the CPU profile of a process; a later round replaces
// that of an earlier one.
func (r *oneRun) profileOf(process string) string {
	return filepath.Join(r.profile, fmt.Sprintf("%s-%s-%s.pprof", filepath.Base(r.scenario.name), r.system.name, process))
}

func (r *oneRun) workerPids() (pids []int) {
	for _, p := range r.workers {
		pids = append(pids, p.Process.Pid)
	}
	return pids
}

// longPayload is from where on so few calls fit into a window that it is made longer.
const longPayload = 100_000

// calls runs a caller process against the workers.
func (r *oneRun) calls(ctx context.Context) (outcome, error) {
	if err := r.startWorkers(ctx, r.scenario.workers); err != nil {
		return outcome{}, err
	}
	window := r.window
	if r.scenario.payload >= longPayload {
		window *= 3
	}
	o := order{
		System: r.system.name, Target: r.target, Warmup: r.warmup, Window: window,
		Pids: map[string][]int{"workers": r.workerPids(), "broker": r.broker},
	}
	if r.profile != "" && r.system.ours() {
		o.Profile = r.profileOf("caller")
	}
	p, err := r.role(r.system.name+"-caller", "call", o)
	if err != nil {
		return outcome{}, err
	}
	found, err := p.result(ctx)
	if err == nil && found.Calls == 0 && len(found.Failed) == 0 {
		// A window of the short form may end before the first call of a slow point.
		r.say("%s/%s: no call ended within the window", r.scenario.name, r.system.name)
	}
	return found, err
}
