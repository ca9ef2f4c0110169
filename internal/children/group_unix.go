//go:build unix

package children

import (
	"os"
	"syscall"
)

// A negative number names the group whose head has that process id.

func signal(p *os.Process, sig syscall.Signal) { _ = syscall.Kill(-p.Pid, sig) }

func gone(p *os.Process) bool {
	// Where this process is the first of a container, or a subreaper, the
	// group's orphans are ours to reap; they would count as members until then.
	for {
		pid, err := syscall.Wait4(-p.Pid, nil, syscall.WNOHANG, nil)
		if err != nil || pid == 0 {
			break
		}
	}
	// ESRCH, or EPERM on macOS for a group of zombies that are not ours to reap.
	return syscall.Kill(-p.Pid, 0) != nil
}
