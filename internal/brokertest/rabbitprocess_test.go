//go:build unix

package brokertest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// playNode has this test binary play a test process with a RabbitMQ that is killed.
const playNode = "BROKERTEST_PLAY_NODE"

func TestPlayNode(t *testing.T) {
	if os.Getenv(playNode) == "" {
		return // only TestRabbitDiesWithTheTestProcess has a use for it
	}
	program, err := rabbitProgram(rabbitFolders())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "brokertest-")
	if err != nil {
		t.Fatal(err)
	}
	r, err := startRabbit(program, dir, rabbitConfig{removeDir: true})
	if err != nil {
		t.Fatal(err)
	}
	r.tb = t
	family := []int{r.Pid(), r.epmd.pid()}
	for i := 0; i < len(family); i++ {
		family = append(family, children(t, family[i])...)
	}
	if os.Getenv(playNode) == "frozen" {
		r.Pause()
	}
	fmt.Println("started", dir, strings.Trim(fmt.Sprint(family), "[]"))
	select {}
}

// children returns the numbers of the processes whose parent is pid.
func children(t *testing.T, pid int) (found []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat") // Linux, where ps may be missing
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var child, parent int
		var state string
		number, _, _ := strings.Cut(string(text), " ")
		_, rest, _ := strings.Cut(string(text), ") ")
		if _, err := fmt.Sscan(number, &child); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(rest, &state, &parent); err != nil {
			t.Fatal(err)
		}
		if parent == pid {
			found = append(found, child)
		}
	}
	if len(stats) > 0 {
		return found
	}
	table, err := exec.Command("ps", "-axo", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		var child, parent int
		if _, err := fmt.Sscan(line, &child, &parent); err == nil && parent == pid {
			found = append(found, child)
		}
	}
	return found
}

// A node is many processes: Erlang, its helpers, which lead groups of their own,
// and epmd.
func TestRabbitDiesWithTheTestProcess(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"running", "frozen"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			parent, family, dir := startNode(t, how)
			for _, pid := range family {
				if !running(pid) {
					t.Errorf("process %d ended before its parent", pid)
				}
			}
			if len(family) < 3 {
				t.Errorf("the node has the processes %d, want Erlang, epmd and helpers", family)
			}
			if err := parent.Kill(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the processes to end and the folder to be removed", func() string {
				family = slices.DeleteFunc(family, func(pid int) bool { return !running(pid) })
				_, err := os.Stat(dir)
				if len(family) > 0 || !errors.Is(err, os.ErrNotExist) {
					return fmt.Sprintf("processes %d, folder: error %v", family, err)
				}
				return ""
			})
		})
	}
}

// startNode starts TestPlayNode and returns the processes of its node and the
// node's folder.
func startNode(t *testing.T, how string) (parent *os.Process, family []int, dir string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPlayNode$", "-test.v")
	cmd.Env = append(os.Environ(), playNode+"="+how, "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "started" {
			continue
		}
		for _, number := range words[2:] {
			pid, err := strconv.Atoi(number)
			if err != nil {
				t.Fatal(err)
			}
			family = append(family, pid)
		}
		return cmd.Process, family, words[1]
	}
	t.Fatalf("the parent ended without a word: %v", lines.Err())
	return nil, nil, ""
}
