//go:build unix

// Package endtoend tests whole processes: workers that are killed, stopped and
// replaced, on a real broker, with the settings that users have.
package endtoend

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// In a child process, the test binary is an application with one service.
const (
	childVariable  = "ENDTOEND_CHILD"
	ledgerVariable = "ENDTOEND_LEDGER"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "":
	case reference:
		runner.Main(dial.Open, referenceApp()...)
	default:
		runner.Main(dial.Open, runner.RPC("sleeper", "sleeps", newSleeper))
	}
	os.Exit(m.Run())
}

// Job is one request: a number to recognise it by, and how long it takes.
type Job struct {
	N  int `json:"n"`
	MS int `json:"ms"`
}

// openGate is what a file is called, beside the ledger, that lets "pass" end.
const openGate = ".open"

// newSleeper serves "sleep", which notes its beginning and its end in the ledger, and
// "pass", which notes its beginning and takes as long as the test wishes.
func newSleeper(runner.Resources) (*jsonrpc.Mux, error) {
	ledger, err := os.OpenFile(os.Getenv(ledgerVariable), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	mux := &jsonrpc.Mux{}
	mux.Handle("sleep", jsonrpc.Func(func(ctx context.Context, j Job) (int, error) {
		// One write each, so that lines of several processes do not mix and a
		// killed one leaves whole lines.
		if _, err := fmt.Fprintf(ledger, "begin %d %d\n", j.N, os.Getpid()); err != nil {
			return 0, err
		}
		select {
		case <-time.After(time.Duration(j.MS) * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		_, err := fmt.Fprintf(ledger, "end %d %d\n", j.N, os.Getpid())
		return j.N, err
	}))
	mux.Handle("pass", jsonrpc.Func(func(ctx context.Context, j Job) (int, error) {
		if _, err := fmt.Fprintf(ledger, "begin %d %d\n", j.N, os.Getpid()); err != nil {
			return 0, err
		}
		for ctx.Err() == nil {
			if _, err := os.Stat(ledger.Name() + openGate); err == nil {
				return j.N, nil
			}
			time.Sleep(10 * time.Millisecond) // between two looks
		}
		return 0, ctx.Err()
	}), jsonrpc.Public())
	return mux, nil
}

// An application is several processes around one broker.
type application struct {
	*testing.T
	url, namespace string
	ledger         string
	caller         *redislist.Transport
}

func newApplication(t *testing.T, url, namespace string) *application {
	t.Helper()
	a := &application{T: t, url: url, namespace: namespace, ledger: t.TempDir() + "/ledger"}
	if err := os.WriteFile(a.ledger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	caller, err := redislist.Open(redislist.Options{URL: url, Namespace: namespace, Catalogue: []string{"sleeper"}, Instance: "caller"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	a.caller = caller
	return a
}

// startAll starts n workers and returns when each of them is there to take its
// share: who comes first would take everything.
func (a *application) startAll(n int, env ...string) []*worker {
	a.Helper()
	workers := make([]*worker, n)
	for i := range workers {
		workers[i] = a.start(env...)
	}
	a.eventually("all workers to join", func() bool {
		all, err := a.caller.Services(a.Context())
		return err == nil && len(all) == 1 && len(all[0].Workers) == n
	})
	return workers
}

// A worker is one process that serves sleeper.
type worker struct {
	*exec.Cmd
	log  *strings.Builder
	done chan struct{} // closed when the process has ended
}

func (a *application) start(env ...string) *worker {
	a.Helper()
	self, err := os.Executable()
	if err != nil {
		a.Fatal(err)
	}
	w := &worker{Cmd: exec.Command(self, "serve", "sleeper"), log: &strings.Builder{}, done: make(chan struct{})}
	w.Env = append(append(os.Environ(), childVariable+"=1", ledgerVariable+"="+a.ledger,
		"JOURNEYMAN_URL="+a.url, "JOURNEYMAN_NAMESPACE="+a.namespace), env...)
	w.Stdout, w.Stderr = w.log, w.log
	if err := w.Start(); err != nil {
		a.Fatal(err)
	}
	go func() {
		_ = w.Wait()
		close(w.done)
	}()
	a.Cleanup(func() {
		_ = w.Process.Kill()
		<-w.done
		if a.Failed() {
			a.Logf("log of worker %d:\n%s", w.Process.Pid, w.log)
		}
	})
	return w
}

func (w *worker) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := w.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// stop asks the process to end and waits until it has, so that its log is whole.
func (w *worker) stop(t testing.TB) {
	t.Helper()
	w.signal(t, syscall.SIGTERM)
	<-w.done
	if code := w.ProcessState.ExitCode(); code != 0 {
		t.Errorf("worker ended with %d:\n%s", code, w.log)
	}
}

// call makes n calls at once, each of the given length, and returns a function
// that waits for all and fails the test for any that was not answered rightly.
func (a *application) call(ctx context.Context, n, ms int) (wait func()) {
	var calls sync.WaitGroup
	c := client.New(a.caller, "sleeper", client.Timeout(5*time.Minute)) // ctx decides
	for i := range n {
		calls.Go(func() {
			got, err := client.Result[int](ctx, c, "sleep", Job{N: i, MS: ms})
			if err != nil || got != i {
				a.Errorf("call %d: %d, %v", i, got, err)
			}
		})
	}
	return calls.Wait
}

// counts returns how often each job began and ended.
func (a *application) counts() (begun, ended map[int]int) {
	a.Helper()
	text, err := os.ReadFile(a.ledger)
	if err != nil {
		a.Fatal(err)
	}
	begun, ended = map[int]int{}, map[int]int{}
	for line := range strings.Lines(string(text)) {
		var what string
		var n, pid int
		if _, err := fmt.Sscanf(line, "%s %d %d", &what, &n, &pid); err != nil {
			a.Fatalf("ledger: %q: %v", line, err)
		}
		switch what {
		case "begin":
			begun[n]++
		case "end":
			ended[n]++
		}
	}
	return begun, ended
}

// runningAt returns how many jobs the process has begun and not ended.
func (a *application) runningAt(w *worker) int {
	a.Helper()
	text, err := os.ReadFile(a.ledger)
	if err != nil {
		a.Fatal(err)
	}
	running := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasSuffix(line, fmt.Sprintf(" %d\n", w.Process.Pid)) {
			if strings.HasPrefix(line, "begin") {
				running++
			} else {
				running--
			}
		}
	}
	return running
}

func (a *application) eventually(what string, ok func() bool) {
	a.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			a.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}
