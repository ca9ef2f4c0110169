//go:build unix

package brokertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// playParent has this test binary play a test process that is killed.
const playParent = "BROKERTEST_PLAY_PARENT"

func TestPlayParent(t *testing.T) {
	if os.Getenv(playParent) == "" {
		return // only TestBrokersDieWithTheTestProcess has a use for it
	}
	os.Unsetenv(URLVariable)
	frozen := Redis(t)
	frozen.Pause()
	program, err := redisProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "brokertest-")
	if err != nil {
		t.Fatal(err)
	}
	shared, err := startRedis(program, dir, config{removeDir: true})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("started %d %d %s\n", frozen.Pid(), shared.Pid(), dir)
	select {}
}

func TestBrokersDieWithTheTestProcess(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0], "-test.run=^TestPlayParent$", "-test.v")
	parent.Env = append(os.Environ(), playParent+"=1", "TMPDIR="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = parent.Process.Kill(); _ = parent.Wait() })
	var frozen, shared int
	var dir string
	for lines := bufio.NewScanner(out); dir == ""; {
		if !lines.Scan() {
			t.Fatalf("the parent ended without a word: %v", lines.Err())
		}
		if strings.HasPrefix(lines.Text(), "started ") {
			if _, err := fmt.Sscanf(lines.Text(), "started %d %d %s", &frozen, &shared, &dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	if running(frozen) == false || running(shared) == false {
		t.Fatal("a broker ended before its parent")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []struct {
		what string
		is   func() bool
	}{
		{"the frozen broker to end", func() bool { return !running(frozen) }},
		{"the shared broker to end", func() bool { return !running(shared) }},
		{"its folder to be removed", func() bool { _, err := os.Stat(dir); return errors.Is(err, os.ErrNotExist) }},
	} {
		for deadline := time.Now().Add(10 * time.Second); !gone.is(); {
			if time.Now().After(deadline) {
				t.Fatalf("waited 10s for %s", gone.what)
			}
			time.Sleep(5 * time.Millisecond) // between two looks
		}
	}
}

// running reports whether the process lives. In a container without an init a
// dead one may stay a zombie for ever.
func running(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil { // Linux, where ps may be missing
		_, state, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(state, "Z")
	}
	state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(string(state), "Z")
}

// A goroutine that ends with its thread locked ends the thread.
func TestBrokersOutliveThreads(t *testing.T) {
	t.Parallel()
	started := make(chan *Server)
	go func() {
		runtime.LockOSThread()
		started <- Redis(t)
	}()
	s := <-started
	for range 20 {
		if err := client(t, s).Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		f    func(context.Context) error
		want string
	}{
		"panic": {func(context.Context) error { panic("rootless Docker not found") }, "rootless Docker not found"},
		"error": {func(context.Context) error { return errors.New("refused") }, "refused"},
		"deaf":  {func(context.Context) error { <-t.Context().Done(); return nil }, "nothing within"},
	} {
		if err := within(50*time.Millisecond, c.f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if err := within(time.Minute, func(context.Context) error { return nil }); err != nil {
		t.Errorf("success: error %v", err)
	}
}
