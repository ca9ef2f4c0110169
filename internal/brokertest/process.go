//go:build unix

package brokertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// A process is a child that does not outlive this one. A second child, the
// guard, blocks on a pipe that only this process can write to: when the pipe ends
// the guard kills the first. So it works where the test is killed, where it
// crashes and where the child is frozen, on every Unix. (Linux could send a
// signal itself, but does so when the *thread* that forked ends, which in Go may
// be any time: golang.org/issue/27505.)
//
// The first child stays unreaped, a zombie at worst, until kill has ended the
// guard: the number that the guard kills can be no other process's.
type process struct {
	child  *os.Process
	guard  *os.Process
	pipe   *os.File
	reaped bool
}

// A process that is dying may still add to the folder, so what fails at first is
// tried again.
const guardScript = `read -r _; kill -9 "$0"; if [ -n "$1" ]; then rm -rf "$1" || { sleep 1; rm -rf "$1"; }; fi`

// startProcess starts cmd and its guard, which also removes the folder called
// remove, if any. Both are in groups of their own: a Ctrl-C goes to the test,
// and its end does the rest.
func startProcess(cmd *exec.Cmd, remove string) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{child: cmd.Process}
	if err := p.startGuard(remove); err != nil {
		return nil, errors.Join(fmt.Errorf("start its guard: %w", err), p.kill())
	}
	return p, nil
}

func (p *process) startGuard(remove string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	guard := exec.Command("sh", "-c", guardScript, strconv.Itoa(p.pid()), remove)
	guard.Stdin = read
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := guard.Start(); err != nil {
		return errors.Join(err, write.Close())
	}
	p.guard, p.pipe = guard.Process, write
	return nil
}

func (p *process) pid() int { return p.child.Pid }

// alive returns an error once the child has ended by itself.
func (p *process) alive() error {
	if p.reaped {
		return errors.New("it has ended")
	}
	var status syscall.WaitStatus
	pid, err := retry(func() (int, error) { return syscall.Wait4(p.pid(), &status, syscall.WNOHANG, nil) })
	if err != nil || pid == 0 {
		return err
	}
	p.reaped = true
	return fmt.Errorf("it ended with status %d, signal %d", status.ExitStatus(), status.Signal())
}

func (p *process) signal(sig syscall.Signal) error {
	if p.reaped {
		return errors.New("it has ended")
	}
	return syscall.Kill(p.pid(), sig)
}

// pause stops the child and waits until it has stopped.
func (p *process) pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	var status syscall.WaitStatus
	if _, err := retry(func() (int, error) { return syscall.Wait4(p.pid(), &status, syscall.WUNTRACED, nil) }); err != nil {
		return err
	}
	if !status.Stopped() {
		p.reaped = true
		return errors.New("it has ended")
	}
	return nil
}

// kill ends guard and child. It may be called again.
func (p *process) kill() error {
	var errs []error
	if p.guard != nil {
		errs = append(errs, p.guard.Kill())
		_, err := p.guard.Wait()
		errs = append(errs, err, p.pipe.Close())
		p.guard = nil
	}
	if !p.reaped {
		errs = append(errs, p.child.Kill())
		_, err := p.child.Wait()
		errs = append(errs, err)
		p.reaped = true
	}
	return errors.Join(errs...)
}

// retry repeats a system call that a signal has interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
