//go:build unix

package foreign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// clients is the folder of the programs, with one folder for each language.
const clients = "../../examples/clients"

// A language is what runs the programs of one folder.
type language struct {
	folder, ending string
	interpreters   []string // the first that has the libraries is taken
	libraries      []string // arguments that end with 0 where the libraries are there
	packages       []string // of Debian
	elsewhere      string   // how to install them on other systems

	once sync.Once // what it finds, or installs
	path string
	err  error
}

var languages = []*language{ruby, python, node, shell}

var ruby = &language{
	folder: "ruby", ending: ".rb",
	interpreters: []string{"ruby", "/usr/bin/ruby"},
	libraries:    []string{"-e", `require "redis"; require "bunny"`},
	packages:     []string{"ruby", "ruby-redis", "ruby-bunny"},
	elsewhere:    "gem install redis bunny",
}

var python = &language{
	folder: "python", ending: ".py",
	interpreters: []string{"python3", "/usr/bin/python3"},
	libraries:    []string{"-c", "import redis, pika"},
	packages:     []string{"python3", "python3-redis", "python3-pika"},
	elsewhere:    "python3 -m pip install redis pika",
}

// What node's programs need besides npm itself comes from npm, see modules.
var node = &language{
	folder: "node", ending: ".mjs",
	interpreters: []string{"node", "/usr/bin/node"},
	libraries:    []string{"--eval", `require("child_process").execSync("npm --version")`},
	packages:     []string{"nodejs", "npm"},
	elsewhere:    "install Node.js 18 or newer with npm",
}

var shell = &language{
	folder: "shell", ending: ".sh",
	interpreters: []string{"sh"},
	libraries:    []string{"-c", "curl --version && redis-cli --version"},
	packages:     []string{"curl", "redis-tools"},
	elsewhere:    "install curl and redis-cli",
}

// chromium is no language, and is found or installed as if it were one. It takes 350 MB
// of disk, and half a minute.
var chromium = &language{
	interpreters: []string{"chromium-headless-shell", "chromium", "google-chrome", "chromium-browser"},
	libraries:    []string{"--version"},
	packages:     []string{"chromium-headless-shell"},
	elsewhere:    "install Chromium or Google Chrome",
}

// interpreter returns the path of what runs the language's programs.
func (l *language) interpreter(t *testing.T) string {
	t.Helper()
	l.once.Do(func() { l.path, l.err = l.lookOrInstall() })
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l.path
}

func (l *language) lookOrInstall() (string, error) {
	path, err := l.look()
	if err == nil {
		return path, nil
	}
	apt, aptErr := aptGet()
	if aptErr != nil {
		return "", fmt.Errorf("%w. Install what %s needs (Debian: apt-get install %s; elsewhere: %s)",
			err, l, strings.Join(l.packages, " "), l.elsewhere)
	}
	if err := install(apt, l); err != nil {
		return "", fmt.Errorf("install %s: %w", strings.Join(l.packages, " "), err)
	}
	return l.look()
}

// look returns the first interpreter that has the libraries: one that a version
// manager has put in front of the system's may lack them.
func (l *language) look() (string, error) {
	var errs []error
	for _, name := range l.interpreters {
		path, err := exec.LookPath(name)
		if err == nil {
			var out []byte
			if out, err = exec.CommandContext(context.Background(), path, l.libraries...).CombinedOutput(); err == nil {
				return path, nil
			}
			err = fmt.Errorf("%s: %w: %s", path, err, firstLine(out))
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("nothing here is or runs %s: %w", l, errors.Join(errs...))
}

func (l *language) String() string {
	if l == chromium {
		return "a browser for tests"
	}
	return "examples/clients/" + l.folder
}

// aptGet returns the command that installs: apt-get for root, and on a build server,
// whose users are not root but may become it, through sudo. Nobody else's system is changed.
func aptGet() ([]string, error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		return []string{"apt-get"}, nil
	}
	if os.Getenv("CI") == "" {
		return nil, errors.New("not root")
	}
	sudo, err := exec.LookPath("sudo")
	if err != nil {
		return nil, err
	}
	return []string{sudo, "-n", "apt-get"}, nil
}

// install installs a language's packages, unless another process has just done so.
func install(apt []string, l *language) error {
	// The name is that of brokertest's lock, which installs brokers.
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "brokertest-apt.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if _, err := l.look(); err == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "foreign: installing %s by apt\n", strings.Join(l.packages, " "))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	get := func(args ...string) error {
		args = append(append(apt[1:len(apt):len(apt)], "-o", "DPkg::Lock::Timeout=120"), args...)
		cmd := exec.CommandContext(ctx, apt[0], args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w:\n%s", cmd, err, out)
		}
		return nil
	}
	packages := append([]string{"install", "-y", "--no-install-recommends"}, l.packages...)
	if get(packages...) == nil {
		return nil
	}
	// A fresh machine has no package lists yet, an old one stale ones.
	if err := get("update"); err != nil {
		return err
	}
	return get(packages...)
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
