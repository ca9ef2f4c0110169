//go:build unix

package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/services"
)

// reference is what childVariable holds for a child that is the reference app, with
// the sleeper beside its services, and one that not every transport can serve.
const reference = "reference"

func referenceApp() []runner.Program {
	payments := func(runner.Resources) (*jsonrpc.Mux, error) {
		mux := &jsonrpc.Mux{}
		mux.Handle("charge", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { return "paid", nil }), jsonrpc.Dedupe(time.Hour))
		return mux, nil
	}
	return append(services.All(), runner.RPC("sleeper", "sleeps", newSleeper), runner.RPC("payments", "charges once", payments),
		runner.HTTP("pages", "is a web app", newPages), runner.RPC("desk", "says who called", newDesk))
}

// An app is the reference app as a user has it: its commands, in a folder and with
// settings of the test's own.
type app struct {
	*testing.T
	dir string
	env []string
}

func newApp(t *testing.T, env ...string) *app {
	t.Helper()
	return &app{t, t.TempDir(), append([]string{"PATH=" + os.Getenv("PATH"), childVariable + "=" + reference}, env...)}
}

// with returns the same app with more settings.
func (a *app) with(env ...string) *app {
	return &app{a.T, a.dir, append(slices.Clip(a.env), env...)}
}

func (a *app) command(ctx context.Context, args ...string) *exec.Cmd {
	a.Helper()
	self, err := os.Executable()
	if err != nil {
		a.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Dir, cmd.Env = a.dir, a.env
	return cmd
}

// run runs a command to its end.
func (a *app) run(args ...string) (code int, stdout, stderr string) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), time.Minute)
	defer cancel()
	cmd := a.command(ctx, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() < 0 {
		a.Fatalf("%q: %v; it said:\n%s%s", args, err, &out, &errs)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// prints wants a command to succeed and to print just that.
func (a *app) prints(want string, args ...string) {
	a.Helper()
	if code, stdout, stderr := a.run(args...); code != 0 || stdout != want || stderr != "" {
		a.Errorf("%q: exit code %d, %q and %q, want %q", args, code, stdout, stderr, want)
	}
}

// fails wants a command to end with the code and to say that.
func (a *app) fails(code int, pattern string, args ...string) {
	a.Helper()
	got, stdout, stderr := a.run(args...)
	if got != code || !regexp.MustCompile(pattern).MatchString(stderr) {
		a.Errorf("%q: exit code %d, %q and %q, want %d and %q", args, got, stdout, stderr, code, pattern)
	}
}

// A running is a command that runs beside the test.
type running struct {
	*exec.Cmd
	t    *testing.T
	log  *journal
	done chan struct{} // closed when it has ended
}

// spawn starts a command. The test kills it, and shows its log when it fails.
func (a *app) spawn(args ...string) *running {
	a.Helper()
	// Not with the test's context: it ends before what is cleaned up.
	r := &running{Cmd: a.command(context.Background(), args...), t: a.T, log: newJournal(), done: make(chan struct{})}
	r.Stdout, r.Stderr = r.log, r.log
	if err := r.Start(); err != nil {
		a.Fatal(err)
	}
	go func() {
		_ = r.Wait()
		close(r.done)
	}()
	a.Cleanup(func() {
		select {
		case <-r.done:
		default:
			_ = r.Process.Signal(syscall.SIGTERM) // "start" ends its children, too
			select {
			case <-r.done:
			case <-time.After(20 * time.Second):
				_ = r.Process.Kill()
				<-r.done
			}
		}
		if a.Failed() {
			a.Logf("log of %q:\n%s", args, r.log)
		}
	})
	return r
}

// stop asks the process to end and returns its exit code.
func (r *running) stop() int {
	r.t.Helper()
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	return r.wait()
}

func (r *running) wait() int {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatalf("process %d did not end; it said:\n%s", r.Process.Pid, r.log)
	}
	return r.ProcessState.ExitCode()
}

// says waits for a line and returns the first group of the pattern.
func (r *running) says(pattern string) string {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		text, more := r.log.now()
		if m := re.FindStringSubmatch(text); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-more:
		case <-r.done:
			if text, _ := r.log.now(); !re.MatchString(text) {
				r.t.Fatalf("it ended without %q; it said:\n%s", pattern, text)
			}
		case <-deadline:
			r.t.Fatalf("waited for %q; there is only:\n%s", pattern, text)
		}
	}
}

// patience is how long a test waits for what will come.
const patience = time.Minute

// A journal collects what a process writes.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // replaced at each write
}

func newJournal() *journal { return &journal{more: make(chan struct{})} }

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.more)
	j.more = make(chan struct{})
	return j.text.Write(b)
}

// now returns what there is and a channel that is closed when there is more.
func (j *journal) now() (text string, more <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String(), j.more
}

func (j *journal) String() string {
	text, _ := j.now()
	return text
}

// newLedger makes a file for the sleeper and returns the setting that names it.
func newLedger(t *testing.T) (path, setting string) {
	t.Helper()
	path = t.TempDir() + "/ledger"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, fmt.Sprintf("%s=%s", ledgerVariable, path)
}

// onBrokers runs a test on a Redis and on a RabbitMQ of its own, for which it is given the
// settings.
func onBrokers(t *testing.T, test func(t *testing.T, settings ...string)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		url, namespace := brokertest.Namespace(t)
		test(t, "JOURNEYMAN_URL="+url, "JOURNEYMAN_NAMESPACE="+namespace)
	})
	t.Run("rabbitmq", func(t *testing.T) {
		t.Parallel()
		test(t, "JOURNEYMAN_URL="+brokertest.Vhost(t))
	})
}
