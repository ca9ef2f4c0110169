package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A child is a process of the bench's, whose standard error goes to a file.
type child struct {
	*exec.Cmd
	name  string
	log   string
	done  chan struct{} // closed when it has ended
	reads bytes.Buffer  // what it wrote to its standard output; valid after done
}

// spawn starts this program, or a server, with a log of its own.
func (b *bench) spawn(name string, cmd *exec.Cmd) (*child, error) {
	b.spawned++
	p := &child{Cmd: cmd, name: name, log: filepath.Join(b.dir, fmt.Sprintf("%d-%s.log", b.spawned, name)), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.Stderr, p.Stdout, p.Dir = log, log, b.dir
	if cmd.Stdin != nil { // who is given an order answers it
		p.Stdout = &p.reads
	}
	p.WaitDelay = time.Second
	if err := b.parent.Start(p.Cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.Wait()
		close(p.done)
	}()
	b.children = append(b.children, p)
	return p, nil
}

// role starts this program in a role, with an order on its standard input.
func (b *bench) role(name, role string, o order) (*child, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(b.binary)
	cmd.Env = append(b.environment(), roleVariable+"="+role)
	cmd.Stdin = bytes.NewReader(text)
	return b.spawn(name, cmd)
}

// environment leaves out whatever the environment says of brokers and settings.
func (b *bench) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir}
}

// says returns when the log holds one of the texts.
func (p *child) says(ctx context.Context, texts ...string) error {
	for {
		log, _ := os.ReadFile(p.log)
		for _, text := range texts {
			if bytes.Contains(log, []byte(text)) {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended (%s); its log:\n%s", p.name, p.ProcessState, tail(log))
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p.name, context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// tail is the end of a log, which says why.
func tail(log []byte) string {
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// build compiles the app whose workers are measured, as its user would.
func (b *bench) build(ctx context.Context) error {
	b.app = filepath.Join(b.dir, "app")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.app, "./app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if _, err := os.Stat("bench/app"); err == nil {
		cmd.Dir = "bench" // called from the root
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the app (the bench runs in its folder or the one above): %w\n%s", err, out)
	}
	return nil
}

// result waits for the end of a caller and reads what it has found.
func (p *child) result(ctx context.Context) (found outcome, err error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		return found, fmt.Errorf("wait for %s: %w", p.name, context.Cause(ctx))
	}
	log, _ := os.ReadFile(p.log)
	if !p.ProcessState.Success() {
		return found, fmt.Errorf("%s: %s; its log:\n%s", p.name, p.ProcessState, tail(log))
	}
	return found, json.Unmarshal(p.reads.Bytes(), &found)
}

// stop ends a process in good order, or by force after 10 s.
func (p *child) stop() {
	_ = p.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.Process.Kill()
		<-p.done
	}
}

// stopAll ends those that are given, all at once.
func (b *bench) stopAll(some []*child) {
	for _, p := range some {
		_ = p.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range some {
		p.stop()
	}
	b.forgetEnded()
}

func (b *bench) forgetEnded() {
	var running []*child
	for _, p := range b.children {
		select {
		case <-p.done:
		default:
			running = append(running, p)
		}
	}
	b.children = running
}

// errInterrupted is why a run ends early.
var errInterrupted = errors.New("interrupted")
