package main

import "syscall"

// attributes puts a child into a group of its own, since a Ctrl-C is the bench's to
// act on. When the bench dies the child gets SIGKILL.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
