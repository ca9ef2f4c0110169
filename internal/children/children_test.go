//go:build linux

package children_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/children"
)

// asParent makes this test binary play a process that is killed: it starts a
// child, says so, and waits for its end.
const asParent = "CHILDREN_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) != "" {
		p := children.NewParent()
		child := exec.Command("sh", "-c", `trap 'echo terminated; exit' TERM; echo ready; for i in $(seq 600); do sleep 0.05; done`)
		child.Stdout = os.Stdout
		if err := p.Start(child); err != nil {
			panic(err)
		}
		_ = child.Wait()
		p.Close()
		return
	}
	os.Exit(m.Run())
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), asParent+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("got %q, %v, want ready", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The pipe ends when the last process that holds it has ended.
	rest, err := io.ReadAll(lines)
	if err != nil || string(rest) != "terminated\n" {
		t.Errorf("after kill -9 of its parent the child wrote %q, %v, want terminated", rest, err)
	}
	_ = parent.Wait()
}

// Goroutines that end with their thread locked end the thread. A child started
// from such a thread would be told that its parent died.
func TestChildrenOutliveOtherThreads(t *testing.T) {
	t.Parallel()
	p := children.NewParent()
	defer p.Close()
	child := exec.Command("sh", "-c", "read line; echo got $line")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	child.Stdout = &out
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- p.Start(child)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	for range 20 {
		ended := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(ended)
		}()
		<-ended
	}
	runtime.GC()
	_, _ = io.WriteString(in, "it\n")
	if err := child.Wait(); err != nil || out.String() != "got it\n" {
		t.Errorf("child ended with %v after writing %q", err, out.String())
	}
}

func TestSignalReachesGrandchildren(t *testing.T) {
	t.Parallel()
	p := children.NewParent()
	defer p.Close()
	child := exec.Command("sh", "-c", "sleep 1000 & exit")
	if err := p.Start(child); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if children.Gone(child) {
		t.Fatal("the group is gone while its sleep is running")
	}
	children.Signal(child, syscall.SIGTERM)
	for deadline := time.Now().Add(30 * time.Second); !children.Gone(child); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the grandchild outlived a SIGTERM to its group")
		}
	}
	children.Signal(child, syscall.SIGTERM) // to nobody: no harm
}
