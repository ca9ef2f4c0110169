package runner

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// asApp makes the test binary run Main, so that real signals and exit codes can
// be seen from outside.
const asApp = "RUNNER_TEST_AS_APP"

func TestMain(m *testing.M) {
	if os.Getenv(asApp) != "" {
		s := newSite()
		Main(s.open, s.programs...)
	}
	os.Exit(m.Run())
}

// appCommand prepares a process of its own that runs Main.
func appCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...) // killed with the test
	cmd.Dir, cmd.Env = t.TempDir(), []string{asApp + "=1"}
	return cmd
}

func TestMainHeedsSignals(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		out := newOutput()
		cmd := appCommand(t, "serve", "tester")
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.match(t, "msg=ready")
		for range 2 { // foreman and platforms repeat themselves
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v; it said:\n%s", signal, err, out)
		}
	}
}

// A reader of the log that dies first must not take the worker with it: without
// SIGPIPE ignored, its next line of log would kill it in the middle of its calls.
func TestMainSurvivesLostLog(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := appCommand(t, "serve", "tester")
	cmd.Stdout = writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	if _, err := reader.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	reader.Close()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want exit code 0", err)
	}
}

func TestMainExitCode(t *testing.T) {
	t.Parallel()
	cmd := appCommand(t, "call", "nobody", "echo")
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != exitJourney {
		t.Errorf("call to nobody: %v, want exit code %d", err, exitJourney)
	}
}
