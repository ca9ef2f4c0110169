package foreman

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// patience is how long a test waits for what must happen; long, since it is only
// ever used up by a failure.
const patience = 60 * time.Second

// A session is a Run in the background, and what it has printed.
type session struct {
	t    *testing.T
	stop context.CancelFunc
	done chan error

	mu  sync.Mutex
	out bytes.Buffer
}

func (s *session) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

func (s *session) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// start runs a Procfile with that text until the test stops it, or ends.
func start(t *testing.T, text string, o Options) *session {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "Procfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if o.Grace == 0 {
		o.Grace = patience
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &session{t: t, stop: stop, done: make(chan error, 1)}
	o.Out = s
	go func() { s.done <- Run(ctx, o) }()
	t.Cleanup(func() {
		stop()
		<-s.done
	})
	return s
}

// wait returns once the output matches the expression n times.
func (s *session) wait(expression string, n int) {
	s.t.Helper()
	re := regexp.MustCompile(`(?m)` + expression)
	for deadline := time.Now().Add(patience); len(re.FindAllString(s.output(), -1)) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the output does not match %q %d times:\n%s", expression, n, s.output())
		}
	}
}

// end returns what Run returned.
func (s *session) end() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		s.done <- nil // for the clean-up
		return err
	case <-time.After(patience):
		s.t.Fatalf("Run does not return:\n%s", s.output())
		return nil
	}
}

var clock = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `)

// linesOf returns what one process printed.
func (s *session) linesOf(name string) []string {
	var lines []string
	for line := range strings.Lines(s.output()) {
		if who, text, _ := strings.Cut(clock.ReplaceAllString(line, ""), " | "); strings.TrimSpace(who) == name {
			lines = append(lines, strings.TrimSuffix(text, "\n"))
		}
	}
	return lines
}

func TestPortsAndNamesAreForemans(t *testing.T) {
	t.Parallel()
	const say = `echo "$PS at $PORT, $COLOUR"; exec sleep 1000`
	s := start(t, "web: "+say+"\nrelease: echo migrated\ncalculator: "+say+"\noff: "+say, Options{
		Formation: "web=2,off=0",
		Env:       append(os.Environ(), "COLOUR=green", "PORT=1", "PS=no"),
	})
	s.wait(`, green$`, 3)
	s.stop()
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	pid := regexp.MustCompile(`pid \d+`)
	got := strings.Split(pid.ReplaceAllString(clock.ReplaceAllString(s.output(), ""), "pid N"), "\n")
	slices.Sort(got)
	want := []string{
		"",
		"calculator.1 | calculator.1 at 5200, green",
		"calculator.1 | started with pid N, PORT=5200",
		"system       | release is not run here; platforms run it once for each deploy",
		"system       | stopping all processes",
		"web.1        | started with pid N, PORT=5000",
		"web.1        | web.1 at 5000, green",
		"web.2        | started with pid N, PORT=5001",
		"web.2        | web.2 at 5001, green",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestBasePort(t *testing.T) {
	t.Parallel()
	s := start(t, "a: true; exec sleep 1000\nb: echo port=$PORT; exec sleep 1000", Options{BasePort: 3000})
	s.wait(`port=3100$`, 1)
}

func TestColorsFollowForemansCycle(t *testing.T) {
	t.Parallel()
	s := start(t, "a: exec sleep 1000", Options{Formation: "a=7", Color: true})
	s.wait("pid", 7)
	for i, color := range []string{"36", "33", "32", "35", "31", "34", "36"} {
		s.wait(fmt.Sprintf("^\x1b\\[%sm[0-9:]{8} a.%d    \\| \x1b\\[0mstarted", color, i+1), 1)
	}
}

func TestLogTakesSentencesAboutTheRun(t *testing.T) {
	t.Parallel()
	var got []string
	s := start(t, "a: exec sleep 1000", Options{Log: func(text string) { got = append(got, text) }})
	s.wait("pid", 1)
	s.stop()
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"stopping all processes"}, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if strings.Contains(s.output(), "stopping") {
		t.Errorf("output repeats the log:\n%s", s.output())
	}
}

func TestRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, procfile string
		o              Options
		want           string
	}{
		{"no such file", "a: b", Options{Procfile: "Procfile.dev"}, "Procfile.dev: no such file"},
		{"bad line", "a: b\nnonsense", Options{}, "Procfile: line 2"},
		{"unknown name", "a: b", Options{Formation: "c=1"}, `the Procfile has no process type "c" but a`},
		{"nothing left", "a: b", Options{Formation: "a=0"}, "leaves nothing"},
		{"nothing but release", "release: b", Options{}, "leaves nothing"},
		{"no ports left", "a: b\nc: d", Options{BasePort: 65400}, "base port 65400"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := start(t, tc.procfile, tc.o).end()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestFolderThatIsNotThereEndsTheRun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "Procfile")
	if err := os.WriteFile(path, []byte("a: true"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), Options{Procfile: path, Dir: filepath.Join(t.TempDir(), "none")})
	if err == nil || !strings.Contains(err.Error(), `line 1): start "true": `) {
		t.Errorf("got %v, want an error that names the line and what was tried", err)
	}
}
