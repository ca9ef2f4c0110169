//go:build unix

package foreign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything here may take on a busy machine.
const patience = 2 * time.Minute

// A result is what came of a program that has ended.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
}

// run runs a command to its end.
func run(t *testing.T, env []string, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = environment(env)
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended || ctx.Err() != nil {
		t.Fatalf("%s: %v", cmd, errors.Join(err, ctx.Err()))
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// environment returns this process's with more in it, and without what would have our
// program find another broker than the test's.
func environment(more []string) []string {
	var env []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "JOURNEYMAN_") && !strings.HasSuffix(name, "_URL") && name != "PORT" {
			env = append(env, variable)
		}
	}
	return append(env, more...)
}

// A process runs until the test ends, or is told to.
type process struct {
	cmd  *exec.Cmd
	log  *bytes.Buffer // to be read when it has ended
	done chan struct{}
}

func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(context.Background(), name, args...), log: new(bytes.Buffer), done: make(chan struct{})}
	p.cmd.Env = environment(env)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.cmd, p.log)
		}
	})
	return p
}

// end sends a signal and waits until the process has ended.
func (p *process) end(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
	<-p.done
}

// eventually waits until ready has no error, or p has ended, unless it is nil.
func eventually(t *testing.T, p *process, ready func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // between two looks
		err := ready()
		switch {
		case err == nil:
			return
		case p != nil && p.hasEnded():
			t.Fatalf("%s ended: %v\n%s", p.cmd, err, p.log)
		case time.Now().After(deadline):
			t.Fatalf("waited %v: %v", patience, err)
		}
	}
}

func (p *process) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// freePort returns a port on which nothing listens now.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A program is one file of examples/clients.
type program struct {
	language *language
	name     string // without its ending
}

func (p program) String() string { return p.language.folder + "/" + p.name + p.language.ending }

// arguments returns what runs the program.
func (p program) arguments(t *testing.T) (interpreter, path string) {
	t.Helper()
	interpreter = p.language.interpreter(t)
	folder := filepath.Join(clients, p.language.folder)
	if p.language == node {
		folder = withModules(t)
	}
	return interpreter, filepath.Join(folder, p.name+p.language.ending)
}

func (p program) run(t *testing.T, env ...string) result {
	t.Helper()
	interpreter, path := p.arguments(t)
	return run(t, env, interpreter, path)
}

func (p program) start(t *testing.T, env ...string) *process {
	t.Helper()
	interpreter, path := p.arguments(t)
	return start(t, env, interpreter, path)
}

// withModules returns a folder with node's programs and the libraries that they
// name, which npm has installed.
func withModules(t *testing.T) string {
	t.Helper()
	folder, err := copyWithModules()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

var copyWithModules = sync.OnceValues(func() (string, error) {
	from := filepath.Join(clients, node.folder)
	modules, err := installModules(from)
	if err != nil {
		return "", err
	}
	to := filepath.Join(built, node.folder)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return "", err
	}
	names, err := filepath.Glob(filepath.Join(from, "*"+node.ending))
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if err := copyFile(filepath.Join(to, filepath.Base(name)), name); err != nil {
			return "", err
		}
	}
	return to, os.Symlink(modules, filepath.Join(to, "node_modules"))
})

// installModules returns a folder node_modules with what package-lock.json in dir
// says, in the checkout's folder for what is fetched. It lasts until that changes.
func installModules(dir string) (string, error) {
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	fetched, err := filepath.Abs("../../.bin")
	if err != nil {
		return "", err
	}
	folder := filepath.Join(fetched, fmt.Sprintf("clients-%x", sha256.Sum256(lock))[:24])
	modules := filepath.Join(folder, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}

	// Under another name first, for others may be about it, too, or be killed.
	if err := os.MkdirAll(fetched, 0o755); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(fetched, "clients-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	for _, name := range []string{"package.json", "package-lock.json"} {
		if err := copyFile(filepath.Join(temporary, name), filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = temporary
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s, in a copy of examples/clients/%s: %w:\n%s", npm, node.folder, err, out)
	}
	if err := os.Rename(temporary, folder); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return modules, nil
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}
