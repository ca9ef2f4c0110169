package runner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// errStartRuns is why there is no second "start" in a folder.
var errStartRuns = errors.New("it runs there already")

// startLock returns what the "start" of dir holds for as long as it lives. The number of its
// process proves nothing: when it was killed that may be another one's.
func startLock(dir string, flags ...flock.Option) *flock.Flock {
	return flock.New(filepath.Join(dir, stateDir, "start.lock"), flags...)
}

// holdStart takes the lock of dir until release is called. Its error is errStartRuns. Where
// the file system has no locks it holds nothing, and startRuns does not ask for any.
func holdStart(dir string) (release func() error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // commands that look hold it for a moment
	defer cancel()
	lock := startLock(dir)
	switch _, err := lock.TryLockContext(ctx, 10*time.Millisecond); {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, errStartRuns
	case err != nil:
		return func() error { return nil }, nil
	}
	return lock.Unlock, nil
}

// startRuns reports whether a "start" holds the lock of dir; pid decides where the file
// system has no locks.
func startRuns(dir string, pid int) bool {
	lock := startLock(dir, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		return alive(pid)
	}
	_ = lock.Unlock()
	return !free
}

// alive tells whether a process with that number runs; EPERM means that it does
// and is somebody else's.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, syscall.EPERM)
}
