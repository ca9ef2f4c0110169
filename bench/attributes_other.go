//go:build unix && !linux

package main

import "syscall"

// attributes puts a child into a group of its own, since a Ctrl-C is the bench's to
// act on. A bench that is killed leaves its children behind on these systems.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
