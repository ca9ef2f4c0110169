//go:build !unix

package children

import (
	"os"
	"syscall"
)

// Without process groups and SIGTERM, all that can be done to a child is to end it.

func attributes() *syscall.SysProcAttr { return nil }

func signal(p *os.Process, _ syscall.Signal) { _ = p.Kill() }

func gone(*os.Process) bool { return true }
