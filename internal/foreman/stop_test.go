package foreman

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// polite says bye at SIGTERM; deaf does not listen. Both end some day, should a
// test run be killed.
const (
	polite = `trap 'echo bye; exit' TERM; echo ready; for i in $(seq 5000); do sleep 0.02; done`
	deaf   = `trap '' TERM; echo ready; for i in $(seq 5000); do sleep 0.02; done`
)

func TestStopAsksAllAndWaits(t *testing.T) {
	t.Parallel()
	s := start(t, "a: "+polite, Options{Formation: "a=3"})
	s.wait("ready", 3)
	s.stop()
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(s.output(), "| bye"); got != 3 {
		t.Errorf("%d of 3 processes said bye:\n%s", got, s.output())
	}
	for _, never := range []string{"SIGKILL", "crashed", "ended by itself"} {
		if strings.Contains(s.output(), never) {
			t.Errorf("output has %q:\n%s", never, s.output())
		}
	}
}

// The signal must reach the process that does the work, whatever the shell made
// of the command.
func TestStopReachesTheRealProcess(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"simple":      `sh ./script`,
		"assignment":  `A=1 sh ./script`,
		"and":         `true && sh ./script && echo never`,
		"pipe":        `sh ./script | cat`,
		"background":  `sh ./script & wait`,
		"shell in it": `sh -c 'sh ./script; echo never'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			script := strings.ReplaceAll(polite, "echo bye", "echo bye >>said")
			if err := os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			s := start(t, "a: "+command, Options{Dir: dir})
			s.wait("ready", 1)
			s.stop()
			if err := s.end(); err != nil {
				t.Fatal(err)
			}
			said, err := os.ReadFile(filepath.Join(dir, "said"))
			if err != nil || string(said) != "bye\n" {
				t.Errorf("the process said %q, %v:\n%s", said, err, s.output())
			}
		})
	}
}

func TestDeafProcessIsKilledAfterTheGrace(t *testing.T) {
	t.Parallel()
	s := start(t, "a: "+deaf+"\nb: "+polite, Options{Grace: 100 * time.Millisecond})
	s.wait("ready", 2)
	s.stop()
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	s.wait(`a.1    \| still running 100ms after SIGTERM; killing it \(SIGKILL\)`, 1)
}

func TestHurryKillsAtOnce(t *testing.T) {
	t.Parallel()
	hurry := make(chan struct{})
	s := start(t, "a: "+deaf+"\nb: "+polite, Options{Grace: time.Hour, Hurry: hurry})
	s.wait("ready", 2)
	s.stop()
	s.wait(`b.1    \| bye`, 1)
	if strings.Contains(s.output(), "SIGKILL") {
		t.Errorf("killed before Hurry was closed:\n%s", s.output())
	}
	close(hurry)
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	s.wait(`a.1    \| still running; killing it \(SIGKILL\)`, 1)
}

func TestStopDuringThePauseBeforeARestart(t *testing.T) {
	t.Parallel()
	s := start(t, "a: exit 1", Options{pace: &pace{first: time.Hour, most: time.Hour, steady: time.Hour}})
	s.wait("starting it again", 1)
	s.stop()
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
}

func TestGrandchildrenAreGoneWhenRunReturns(t *testing.T) {
	t.Parallel()
	// The shell dies of SIGTERM, its background process does not.
	s := start(t, `a: (`+deaf+`) & echo pid=$!; wait`, Options{Grace: 100 * time.Millisecond})
	s.wait("ready$", 1)
	s.wait(`pid=\d+$`, 1)
	s.stop()
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	checkGone(t, s)
}

// A process that ends and leaves others behind must not be started beside them.
func TestLeftoversOfACrashGoBeforeTheRestart(t *testing.T) {
	t.Parallel()
	s := start(t, `a: echo start; sleep 1000 & echo pid=$!; test -e again && wait; touch again; exit 1`, Options{pace: &quick})
	s.wait(`\| start$`, 2)
	checkGone(t, s)
}

// checkGone wants the first process whose pid was printed to have ended.
func checkGone(t *testing.T, s *session) {
	t.Helper()
	_, rest, _ := strings.Cut(s.output(), "pid=")
	text, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatalf("no pid in the output:\n%s", s.output())
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there (%v):\n%s", pid, err, s.output())
	}
}
