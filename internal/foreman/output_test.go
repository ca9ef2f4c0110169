package foreman

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLongLinesArriveWhole(t *testing.T) {
	t.Parallel()
	s := start(t, `a: head -c 300000 /dev/zero | tr '\0' x; echo end; exec sleep 1000`, Options{})
	s.wait("xend$", 1)
	if got, want := s.linesOf("a.1")[1], strings.Repeat("x", 300_000)+"end"; got != want {
		t.Errorf("the line has %d bytes, want %d", len(got), len(want))
	}
}

func TestEndlessLinesArriveInPieces(t *testing.T) {
	t.Parallel()
	s := start(t, `a: head -c 3000000 /dev/zero | tr '\0' x; echo end; exec sleep 1000`, Options{})
	s.wait("xend$", 1)
	lines := s.linesOf("a.1")[1:]
	if got, want := strings.Join(lines, ""), strings.Repeat("x", 3_000_000)+"end"; got != want || len(lines) < 2 {
		t.Errorf("%d pieces make %d bytes, want several and %d", len(lines), len(got), len(want))
	}
}

func TestLastUnterminatedLineIsPrinted(t *testing.T) {
	t.Parallel()
	s := start(t, `a: printf 'one\n\ntwo' >&2; exit 1`, Options{pace: &quick})
	s.wait("two$", 1)
	if diff := cmp.Diff([]string{"one", "", "two"}, s.linesOf("a.1")[1:4]); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestLinesOfSeveralProcessesAreNotMixed(t *testing.T) {
	t.Parallel()
	s := start(t, `a: i=0; while [ $i -lt 500 ]; do printf "$PS:"; echo $i; i=$((i+1)); done; echo done; exec sleep 1000`,
		Options{Formation: "a=4"})
	s.wait("done$", 4)
	for _, name := range []string{"a.1", "a.2", "a.3", "a.4"} {
		lines := s.linesOf(name)
		if len(lines) != 502 {
			t.Errorf("%s: %d lines, want 502", name, len(lines))
		}
		for _, line := range lines[1 : len(lines)-1] {
			if !strings.HasPrefix(line, name+":") {
				t.Errorf("%s printed %q", name, line)
			}
		}
	}
}

// A terminal that has gone must not keep processes from working and stopping.
func TestOutputThatFailsStopsNothing(t *testing.T) {
	t.Parallel()
	p := &printer{out: failing{}, now: time.Now}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer w.Close()
		_, _ = io.WriteString(w, strings.Repeat("more than a pipe holds\n", 10_000))
	}()
	p.copy("a.1", "", r) // returns at the end of the pipe
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("gone") }

// A process that made itself a session of its own cannot be stopped by its group.
// Neither it nor the pipe it holds may keep Run from returning.
func TestPipeHeldFromOutsideTheGroup(t *testing.T) {
	t.Parallel()
	s := start(t, `a: setsid sh -c 'echo pid=$$; exec sleep 60' & printf unterminated; wait`, Options{})
	s.wait("pid=", 1)
	s.stop()
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(s.output(), "pid=")
	kill(t, rest)
}

// kill ends the process whose id begins the text.
func kill(t *testing.T, text string) {
	t.Helper()
	digits, _, _ := strings.Cut(text, "\n")
	pid, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatalf("no process id: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("kill %d: %v", pid, err)
	}
}
