package foreman

import (
	"context"
	"os/exec"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/internal/children"
)

const (
	// How often to look whether a group has gone: of processes that are not our
	// children nobody tells us.
	groupPoll = 10 * time.Millisecond

	// How long to wait for a group after SIGKILL. What is there then is stuck in
	// the kernel, or dead and reaped by nobody, as in containers without an init.
	killWait = 5 * time.Second
)

// await returns when cmd and all its process group are gone, with cmd's error.
// They are asked to go when ctx ends, or when cmd itself has ended and left others
// behind; those that do not are killed after the grace.
func (p *process) await(ctx context.Context, cmd *exec.Cmd, exited <-chan error) (err error) {
	var (
		stop     = ctx.Done()
		hurry    <-chan struct{}  // p.hurry, once stopping
		grace    <-chan time.Time // ends: kill
		patience <-chan time.Time // ends: give up
		poll     <-chan time.Time // while cmd has ended and its group has not
	)
	ask := func() {
		if grace == nil && patience == nil {
			children.Signal(cmd, syscall.SIGTERM)
			grace = time.After(p.grace)
		}
	}
	kill := func(why string) {
		p.say("%s; killing it (SIGKILL)", why)
		children.Signal(cmd, syscall.SIGKILL)
		grace, hurry, patience = nil, nil, time.After(killWait)
	}
	for {
		select {
		case err = <-exited:
			exited = nil
			if children.Gone(cmd) {
				return err
			}
			ask()
			ticker := time.NewTicker(groupPoll)
			defer ticker.Stop()
			poll = ticker.C
		case <-poll:
			if children.Gone(cmd) {
				return err
			}
		case <-stop:
			stop, hurry = nil, p.hurry
			ask()
		case <-grace:
			kill("still running " + p.grace.String() + " after SIGTERM")
		case <-hurry:
			kill("still running")
		case <-patience:
			if exited == nil {
				p.say("what is left of process group %d cannot be killed; leaving it", cmd.Process.Pid)
				return err
			}
			patience = time.After(killWait)
		}
	}
}
