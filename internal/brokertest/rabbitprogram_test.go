//go:build unix

package brokertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program writes an executable file.
func program(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(path, "#!/bin/sh\n"); err != nil {
		t.Fatal(err)
	}
}

// Debian has on PATH a link to a wrapper that changes the user; the script itself
// stands beside the wrapper. Others have the script on PATH, or nothing.
func TestLookRabbit(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		link  string // what bin/rabbitmq-server, on PATH, is a link to
		want  string
	}{
		"a wrapper":                 {[]string{"lib/wrapper", "lib/rabbitmq-server", "lib/rabbitmq-env"}, "lib/wrapper", "lib/rabbitmq-server"},
		"a wrapper, a copy":         {[]string{"bin/rabbitmq-server", "pkg/rabbitmq-server", "pkg/rabbitmq-env"}, "", "pkg/rabbitmq-server"},
		"the script":                {[]string{"bin/rabbitmq-server", "bin/rabbitmq-env", "pkg/rabbitmq-server", "pkg/rabbitmq-env"}, "", "bin/rabbitmq-server"},
		"nothing on PATH":           {[]string{"pkg/rabbitmq-server", "pkg/rabbitmq-env"}, "", "pkg/rabbitmq-server"},
		"command line tools":        {[]string{"pkg/rabbitmq-env"}, "", ""},
		"a wrapper without package": {[]string{"bin/rabbitmq-server"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range c.files {
				program(t, filepath.Join(dir, file))
			}
			if c.link != "" {
				if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(filepath.Join(dir, c.link), filepath.Join(dir, "bin/rabbitmq-server")); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", filepath.Join(dir, "bin"))
			got, err := rabbitProgram([]string{filepath.Join(dir, "pkg")})
			if c.want == "" {
				if err == nil || !strings.Contains(err.Error(), "Install RabbitMQ") || !strings.Contains(err.Error(), RabbitURLVariable) {
					t.Errorf("got %q, error %v, want one that says what to install", got, err)
				}
				return
			}
			want := filepath.Join(dir, c.want)
			if resolved, resolveErr := filepath.EvalSymlinks(want); resolveErr == nil && got == resolved { // where the temporary folder is a link
				want = resolved
			}
			if err != nil || got != want {
				t.Errorf("got %q, error %v, want %q", got, err, want)
			}
		})
	}
}
