// Package children starts processes that do not outlive the one that started
// them, each at the head of a process group of its own, so that a signal reaches
// what a shell started too, and a Ctrl-C on the terminal reaches none of them
// before the parent has had its say.
//
// When the parent is killed with no chance to clean up (kill -9), Linux sends
// every child SIGTERM. Only the child itself gets it: a child that is a shell with
// commands of its own dies and leaves those. Elsewhere children live on.
package children

import (
	"os/exec"
	"runtime"
	"syscall"
)

// A Parent starts children from one operating system thread, and keeps that
// thread until Close: the parent-death signal is sent when the *thread* that
// forked ends, and Go ends threads as it likes (golang.org/issue/27505).
type Parent struct {
	work chan func()
	done chan struct{}
}

// NewParent returns a Parent, which must be closed once its children are gone.
func NewParent() *Parent {
	p := &Parent{work: make(chan func()), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for do := range p.work {
			do()
		}
	}()
	return p
}

// Start starts cmd as cmd.Start does, with cmd.SysProcAttr set by this package.
func (p *Parent) Start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = attributes()
	started := make(chan error, 1)
	p.work <- func() { started <- cmd.Start() }
	return <-started
}

// Close gives the thread back. It neither stops children nor waits for them.
func (p *Parent) Close() {
	close(p.work)
	<-p.done
}

// Signal sends sig to a started child and to all the rest of its group. It is no
// error if none of them is there any more.
func Signal(cmd *exec.Cmd, sig syscall.Signal) { signal(cmd.Process, sig) }

// Gone reports whether nothing is left of the group of a child that has been
// waited for. On systems without process groups it is always true.
func Gone(cmd *exec.Cmd) bool { return gone(cmd.Process) }
