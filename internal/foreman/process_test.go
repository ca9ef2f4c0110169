package foreman

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

var quick = pace{first: time.Millisecond, most: 8 * time.Millisecond, steady: time.Hour}

func TestCrashedProcessIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, "a: echo up; exit 3\nb: echo steady; exec sleep 1000", Options{pace: &quick})
	s.wait(`^\S+ a.1    \| up$`, 4)
	s.wait(`crashed \(exit status 3\); starting it again in`, 3)
	s.wait(`b.1    \| steady$`, 1)
	s.stop()
	if err := s.end(); err != nil {
		t.Errorf("Run returned %v, want nil: crashes are no error of the run", err)
	}
	if got := strings.Count(s.output(), "| steady"); got != 1 {
		t.Errorf("the neighbour of the crashing process was started %d times", got)
	}
}

func TestProcessThatEndsWellIsStartedAgainAndSaid(t *testing.T) {
	t.Parallel()
	s := start(t, "a: echo up", Options{pace: &quick})
	s.wait(`\| up$`, 2)
	s.wait(`ended by itself with exit status 0, and should go on working; starting it again in`, 1)
}

func TestKilledProcessIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, "a: echo up; kill -9 $$", Options{pace: &quick})
	s.wait(`\| up$`, 2)
	s.wait(`crashed \(signal: killed\)`, 1)
}

func TestPausesDoubleWithJitterUpToAMost(t *testing.T) {
	t.Parallel()
	s := start(t, "a: exit 1", Options{pace: &quick})
	s.wait("again in", 6)
	checkPauses(t, s, 1, 2, 4, 8, 8, 8)
}

func TestPauseIsShortAgainAfterASteadyRun(t *testing.T) {
	t.Parallel()
	always := quick
	always.steady = 0
	s := start(t, "a: exit 1", Options{pace: &always})
	s.wait("again in", 4)
	checkPauses(t, s, 1, 1, 1, 1)
}

// checkPauses wants each announced pause to be that many milliseconds, or up to a
// quarter more.
func checkPauses(t *testing.T, s *session, want ...int) {
	t.Helper()
	got := regexp.MustCompile(`again in (\S+)`).FindAllStringSubmatch(s.output(), -1)
	for i, ms := range want {
		pause, err := time.ParseDuration(got[i][1])
		// They are printed rounded to the millisecond.
		low := time.Duration(ms) * time.Millisecond
		if high := low + low/4 + time.Millisecond/2; err != nil || pause < low || pause > high {
			t.Errorf("pause %d is %s, want %s to %s", i, got[i][1], low, high)
		}
	}
}

func TestCommandThatIsNotFoundEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ command, want string }{
		{"no-such-program serve", `a.1 (Procfile line 2): "no-such-program serve": command not found; is it built, and on PATH? (exit status 127)`},
		{"A=1 no-such-program", `"A=1 no-such-program": command not found`},
		{"./Procfile", `"./Procfile": command cannot be executed`},
	} {
		t.Run(tc.command, func(t *testing.T) {
			t.Parallel()
			s := start(t, "b: exec sleep 1000\na: "+tc.command, Options{})
			if err := s.end(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if got := strings.Count(s.output(), "a.1    | started"); got != 1 {
				t.Errorf("it was started %d times:\n%s", got, s.output())
			}
		})
	}
}

// While a program is built anew it is missing for a moment.
func TestCommandThatIsMissingLaterIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, "a: test -e seen && exit 127; touch seen; exit 1", Options{pace: &quick})
	s.wait(`crashed \(exit status 127\)`, 3)
}

func TestEnvironmentOfTheShellIsTheOptions(t *testing.T) {
	t.Parallel()
	s := start(t, "a: echo \"[$HOME]\"; exec /bin/sleep 1000", Options{Env: []string{"PATH=/nowhere"}})
	s.wait(`\| \[\]$`, 1)
}

// What Fatal gives up ends the run, but only when it is first started.
func TestFatalEndsTheRun(t *testing.T) {
	t.Parallel()
	fatal := func(command string, status int, lastLine string) error {
		return fmt.Errorf("%s, %d, %s", command, status, lastLine)
	}
	const command = "test -e seen && exit 2; touch seen; exit 0"
	if err := start(t, "b: exec sleep 1000\na: echo one; echo two >&2; exit 2", Options{Fatal: fatal}).end(); err == nil ||
		err.Error() != "a.1 (Procfile line 2): echo one; echo two >&2; exit 2, 2, two" {
		t.Errorf("Run returned %v", err)
	}
	s := start(t, "a: "+command, Options{pace: &quick, Fatal: fatal})
	s.wait(`crashed \(exit status 2\)`, 3)
}
