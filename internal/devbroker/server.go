package devbroker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/internal/children"
)

const (
	answerWithin = 10 * time.Second // from the start of a server to its first answer
	askEvery     = 20 * time.Millisecond
	stopWithin   = 5 * time.Second // from SIGTERM to SIGKILL; nothing is saved, so it takes no time
)

// A program is a server found on PATH.
type program struct{ path, name, version string }

// As in "Redis server v=7.0.15 sha=…" and "Valkey server v=8.0.1 sha=…".
var versionOutput = regexp.MustCompile(`\bv=(\d+)\.(\d+)\S*`)

// choose returns the first server on PATH that has BLMOVE, which came with 6.2. A
// note says what was passed over.
func (s starter) choose(ctx context.Context) (_ *program, note string) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		path, err := s.find(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		found := versionOutput.FindStringSubmatch(string(out))
		if err != nil || found == nil {
			note = fmt.Sprintf("; %s on PATH does not tell its version", name)
			continue
		}
		p := &program{path: path, name: name, version: strings.TrimPrefix(found[0], "v=")}
		major, _ := strconv.Atoi(found[1])
		minor, _ := strconv.Atoi(found[2])
		if major > 6 || major == 6 && minor >= 2 {
			return p, ""
		}
		note = fmt.Sprintf("; %s on PATH is %s, and 6.2 is needed", name, p.version)
	}
	return nil, note
}

// startServer starts a server. The port it is given may be taken by somebody else
// before it gets there, so it has three tries.
func (s starter) startServer(ctx context.Context, p *program, dir string) (*Broker, error) {
	const tries = 3
	for try := 1; ; try++ {
		b, err := s.tryServer(ctx, p, dir)
		if err == nil || try == tries || !strings.Contains(err.Error(), "in use") {
			return b, err
		}
	}
}

func (s starter) tryServer(ctx context.Context, p *program, dir string) (*Broker, error) {
	addr, err := s.freeAddr()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("split address %q: %w", addr, err)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the broker's folder: %w", err)
	}
	said := &tail{}
	cmd := exec.Command(p.path, "--bind", host, "--port", port, "--dir", dir,
		"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction")
	cmd.Stdout, cmd.Stderr = said, said
	parent := children.NewParent()
	if err := parent.Start(cmd); err != nil {
		parent.Close()
		return nil, fmt.Errorf("start %s: %w", p.path, err)
	}

	var closing atomic.Bool
	b := &Broker{
		URL:         "redis://" + addr,
		Description: fmt.Sprintf("%s %s (private, in memory)", p.name, p.version),
		done:        make(chan struct{}),
	}
	go func() {
		err := cmd.Wait()
		parent.Close()
		if !closing.Load() {
			b.err = fmt.Errorf("%s ended by itself (%v): %s", p.name, cmd.ProcessState, said)
			if err != nil && cmd.ProcessState == nil {
				b.err = fmt.Errorf("wait for %s: %w", p.name, err)
			}
		}
		close(b.done)
	}()
	b.stop = func() error {
		closing.Store(true)
		children.Signal(cmd, syscall.SIGTERM)
		select {
		case <-b.done:
		case <-time.After(stopWithin):
			children.Signal(cmd, syscall.SIGKILL)
		}
		return nil
	}
	if err := b.awaitAnswer(ctx, addr, cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// awaitAnswer returns once the server with that process id answers at addr. (It
// could be another one, which took the port first.)
func (b *Broker) awaitAnswer(ctx context.Context, addr string, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var last error
	for {
		answering, err := processAt(ctx, addr)
		if err == nil && answering == pid {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-b.done:
			return b.err
		case <-ctx.Done():
			return fmt.Errorf("wait for an answer at %s: %w (%v)", addr, ctx.Err(), last)
		case <-time.After(askEvery):
		}
	}
}

// processAt returns the process id of the Redis server at addr.
func processAt(ctx context.Context, addr string) (pid int, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	// INFO in the protocol's form for people; the answer is "$length", then the text.
	if _, err := io.WriteString(conn, "INFO server\r\n"); err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(conn); ; {
		if !lines.Scan() {
			return 0, errors.Join(io.ErrUnexpectedEOF, lines.Err())
		}
		if id, ok := strings.CutPrefix(lines.Text(), "process_id:"); ok {
			return strconv.Atoi(strings.TrimSpace(id))
		}
		if strings.HasPrefix(lines.Text(), "-") {
			return 0, errors.New(lines.Text())
		}
	}
}
