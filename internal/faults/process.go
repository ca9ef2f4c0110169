package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A starter starts children that die when the bench dies, from the one thread
// whose death would count as the bench's (golang.org/issue/27505).
type starter struct {
	work chan func()
	done chan struct{}
}

func newStarter() *starter {
	s := &starter{work: make(chan func()), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		runtime.LockOSThread()
		for do := range s.work {
			do()
		}
	}()
	return s
}

func (s *starter) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = attributes()
	started := make(chan error, 1)
	s.work <- func() { started <- cmd.Start() }
	return <-started
}

func (s *starter) close() {
	close(s.work)
	<-s.done
}

// A worker is one process of the app.
type worker struct {
	*exec.Cmd
	world *world
	name  string
	log   string        // path
	done  chan struct{} // closed when the process has ended
	began time.Time
	ended time.Time // valid after done

	stopping atomic.Bool // it was told to stop
}

// start starts a worker. env goes before what every worker gets; limit bounds its
// address space in KiB, 0 not at all.
func (w *world) start(limit int, env ...string) *worker {
	p := w.launch("worker", limit, []string{"serve", service}, env...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.workers = append(w.workers, p)
	return p
}

// launch starts a process of the app; it is the caller's to end, where it is no worker.
func (w *world) launch(kind string, limit int, args []string, env ...string) *worker {
	w.mu.Lock()
	w.starts++
	name := fmt.Sprintf("%s-%d", kind, w.starts)
	w.mu.Unlock()
	p := &worker{world: w, name: name, log: w.path(name + ".log"), done: make(chan struct{}), began: time.Now()}
	p.Cmd = exec.Command(w.bench.binary, args...)
	if limit > 0 {
		p.Cmd = exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -v %d && exec "$0" "$@"`, limit), w.bench.binary}, args...)...)
	}
	p.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "LEDGER=" + w.ledger.path, "EFFECTS=" + w.effects,
		"JOURNEYMAN_URL=" + w.url, "JOURNEYMAN_LOG_FORMAT=text", "PS=" + name,
	}
	if w.wire.dedupes {
		p.Env = append(p.Env, "DEDUPES=1")
	}
	if f, ok := w.broker.(*front); ok {
		p.Env = append(p.Env, "PORT="+f.port(name))
	}
	p.Env = append(p.Env, env...)
	p.Dir = w.dir
	out, err := os.Create(p.log)
	w.must(err)
	p.Stdout, p.Stderr = out, out
	w.must(w.bench.starter.start(p.Cmd))
	_ = out.Close()
	go func() {
		_ = p.Wait()
		p.ended = time.Now()
		close(p.done)
	}()
	return p
}

// startAll starts n workers and returns when all of them serve.
func (w *world) startAll(n int) []*worker {
	var all []*worker
	for range n {
		all = append(all, w.start(0))
	}
	for _, p := range all {
		p.awaitServing()
	}
	return all
}

// awaitServing returns when the worker has joined, be it under a second identity.
func (p *worker) awaitServing() {
	p.world.eventually(30*time.Second, p.name+" to serve", func() bool { return p.serving() })
}

func (p *worker) serving() bool { return p.world.broker.serving(p) }

func (p *worker) pid() int { return p.Process.Pid }

func (p *worker) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends a signal to the process; one that has ended is no error.
func (p *worker) signal(s syscall.Signal) { _ = p.Process.Signal(s) }

// stop asks the process to end and returns its exit code, or -1 where it had to be
// killed after the limit.
func (p *worker) stop(limit time.Duration) (code int, took time.Duration) {
	began := time.Now()
	p.stopping.Store(true)
	p.signal(syscall.SIGTERM)
	if !p.awaitEnd(limit) {
		p.signal(syscall.SIGKILL)
		<-p.done
		return -1, time.Since(began)
	}
	return p.ProcessState.ExitCode(), time.Since(began)
}

func (p *worker) awaitEnd(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

func (p *worker) text() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// memory returns the most resident memory that a process ever had, in bytes.
func memory(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
