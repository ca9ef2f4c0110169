//go:build unix

package brokertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// policyPath is where Debian asks whether it may start services that it has just
// installed.
const policyPath = "/usr/sbin/policy-rc.d"

// redisProgram returns the path of a Redis server, which it installs if it must
// and can.
func redisProgram() (string, error) {
	path, err := lookRedis()
	if err == nil {
		return path, nil
	}
	if _, aptErr := exec.LookPath("apt-get"); aptErr != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("%w. Install Redis 6.2 or newer (Debian: apt-get install redis-server; "+
			"macOS: brew install redis), or set %s", err, URLVariable)
	}
	if err := installByApt("redis-server", policyPath); err != nil {
		return "", fmt.Errorf("there is no redis-server, and installing it did not succeed: %w", err)
	}
	return lookRedis()
}

func lookRedis() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("neither redis-server nor valkey-server is on PATH")
}

// installByApt installs a Debian package without letting it start its service.
// The tests of several packages may want that at once: the others wait and then
// find it done.
func installByApt(pkg, policy string) error {
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "brokertest-apt.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer lock.Close() // which unlocks
	if _, err := retry(func() (int, error) { return 0, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX) }); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if _, err := exec.LookPath(pkg); err == nil {
		return nil
	}

	say("installing %s by apt", pkg)
	switch err := writeNew(policy, "#!/bin/sh\nexit 101\n"); {
	case err == nil:
		defer os.Remove(policy)
	case !errors.Is(err, os.ErrExist):
		return fmt.Errorf("keep services from starting: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := apt(ctx, "install", "-y", "--no-install-recommends", pkg); err == nil {
		return nil
	}
	// A fresh machine has no package lists yet, an old one stale ones.
	if err := apt(ctx, "update"); err != nil {
		return err
	}
	return apt(ctx, "install", "-y", "--no-install-recommends", pkg)
}

func apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=120"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w:\n%s", args[0], err, out)
	}
	return nil
}

// writeNew creates an executable file, which must not exist.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
