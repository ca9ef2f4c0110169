//go:build unix

package brokertest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// bootPatience is how long a node may take to answer. Four seconds of
// computing are usual, which several nodes at once make many.
const bootPatience = 2 * time.Minute

// A Rabbit is a RabbitMQ node of a test's own, on ports of 127.0.0.1. Its
// methods may be called by one goroutine at a time, the test's own, as they fail
// the test where they do not succeed.
type Rabbit struct {
	URL  string         // amqp:// or amqps://, of the vhost "/" and an administrator
	Addr string         // host:port of AMQP
	CA   *x509.CertPool // who signed the node's certificate; nil without TLS

	tb      testing.TB
	program string // rabbitmq-server; the command line tools stand beside it
	dir     string // everything that it writes
	remove  bool   // the folder goes with the process
	base    int    // the first of its ports
	config  rabbitConfig
	claim   net.PacketConn
	epmd    *process // tells the command line tools where the node is
	process *process
	paused  bool
}

// manage returns the node's management API.
func (r *Rabbit) manage() management {
	return management{base: "http://" + local(r.base+portManagement), user: rabbitUser, password: rabbitPassword}
}

// RabbitMQ starts a RabbitMQ for this test alone, always as a process of this
// machine, and ends it with the test. That takes seconds: a test that needs no
// more than queues of its own is better off with [Vhost].
func RabbitMQ(tb testing.TB, opts ...RabbitOption) *Rabbit {
	tb.Helper()
	program, err := rabbitProgram(rabbitFolders())
	if err != nil {
		tb.Fatal(err)
	}
	var c rabbitConfig
	for _, o := range opts {
		o.configureRabbit(&c)
	}
	began := time.Now()
	r, err := startRabbit(program, tb.TempDir(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Logf("RabbitMQ is at %s, up in %v", r.Addr, time.Since(began).Round(10*time.Millisecond))
	r.tb = tb
	tb.Cleanup(func() {
		if err := r.stop(); err != nil {
			tb.Errorf("end %s: %v", program, err)
		}
	})
	return r
}

// startRabbit starts a node whose folder is dir, which is empty.
func startRabbit(program, dir string, c rabbitConfig) (*Rabbit, error) {
	r := &Rabbit{program: program, dir: dir, remove: c.removeDir, config: c}
	if err := r.takePorts(randomBlock); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	if err := r.write(); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	if err := r.start(); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	for _, u := range c.users {
		if err := r.manage().addUser("/", u); err != nil {
			return nil, errors.Join(err, r.stop())
		}
	}
	return r, nil
}

// start starts the node and waits until it answers.
func (r *Rabbit) start() error {
	logPath := filepath.Join(r.dir, "log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of %s: %w", r.program, err)
	}
	defer log.Close()
	cmd := exec.Command(r.program)
	cmd.Env, cmd.Dir = r.environment(), r.dir
	cmd.Stdout, cmd.Stderr = log, log
	remove := ""
	if r.remove {
		remove = r.dir
	}
	if r.process, err = startProcess(cmd, remove); err != nil {
		return fmt.Errorf("start %s: %w", r.program, err)
	}
	r.paused = false
	if err := r.await(bootPatience, r.process.alive); err != nil {
		_ = r.process.kill()
		text, _ := os.ReadFile(logPath)
		return fmt.Errorf("start %s: %w; its log:\n%s", r.program, err, text)
	}
	return nil
}

// await waits until both AMQP and the management API answer.
func (r *Rabbit) await(patience time.Duration, dead func() error) error {
	var roots *tls.Config
	if r.CA != nil {
		roots = &tls.Config{RootCAs: r.CA, MinVersion: tls.VersionTLS12}
	}
	return awaitRabbit(r.URL, r.manage(), roots, patience, dead)
}

// awaitRabbit gives up when patience ends, or as soon as dead returns an error.
// Without dead, whose RabbitMQ it is has set it up before, so that a refusal is final.
func awaitRabbit(url string, m management, roots *tls.Config, patience time.Duration, dead func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := m.ping(ctx)
		if err == nil {
			err = handshake(url, roots)
		}
		if err == nil {
			return nil
		}
		if dead != nil {
			if err := dead(); err != nil {
				return err
			}
		} else if refusesUs(err) {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w", patience, err)
		}
	}
}

// refusesUs tells a broker that does not want these credentials from one that is
// not there.
func refusesUs(err error) bool {
	answer := (*refusal)(nil)
	return errors.As(err, new(*amqp.Error)) || errors.As(err, &answer) && answer.status == http.StatusUnauthorized
}

// handshake opens a connection and closes it again.
func handshake(url string, roots *tls.Config) error {
	conn, err := amqp.DialConfig(url, amqp.Config{
		TLSClientConfig: roots,
		Dial:            amqp.DefaultDial(5 * time.Second),
		Properties:      amqp.Table{"connection_name": "brokertest"},
	})
	if err != nil {
		return err
	}
	return conn.CloseDeadline(time.Now().Add(5 * time.Second))
}

// Pid is the number of the process that everything runs in; it changes with
// Restart.
func (r *Rabbit) Pid() int { return r.process.pid() }

// As returns the URL with another user, or another vhost.
func (r *Rabbit) As(user, password, vhost string) string {
	return address(r.URL, user, password, vhost)
}

// Pause freezes the node: its connections stay open and nothing is answered
// until Resume, not even a heartbeat. It returns when the node has stopped.
func (r *Rabbit) Pause() {
	r.tb.Helper()
	if err := r.process.pause(); err != nil {
		r.tb.Fatalf("pause %s: %v", r.program, err)
	}
	r.paused = true
}

// Resume ends a Pause. Without one it does nothing.
func (r *Rabbit) Resume() {
	r.tb.Helper()
	if err := r.process.signal(syscall.SIGCONT); err != nil {
		r.tb.Fatalf("resume %s: %v", r.program, err)
	}
	r.paused = false
}

// Kill ends the node with SIGKILL. A node that has ended is no error. RabbitMQ
// 3.10 loses a quorum queue, with all that it has confirmed, if it is killed within
// about half a second of the queue's declaration; see Sync.
func (r *Rabbit) Kill() {
	r.tb.Helper()
	if err := r.process.kill(); err != nil {
		r.tb.Errorf("kill %s: %v", r.program, err)
	}
}

// Sync has the node write to disk which queues it has, as it does by itself half a
// second later: the library that quorum queues are built on keeps their names in a
// table with auto_save (ra_directory), and a queue whose name is lost is never found
// again though its messages are there. A paused node cannot do it.
func (r *Rabbit) Sync() {
	r.tb.Helper()
	r.Ctl("eval", "[ok = dets:sync(T) || T <- dets:all()].")
}

// Restart kills the node, if it is there, and starts it again at the same
// address with what it had stored. It returns when the new one answers. A node
// that was running is told to Sync first: who wants to see it without calls Kill.
func (r *Rabbit) Restart() {
	r.tb.Helper()
	if r.process.alive() == nil && !r.paused {
		r.Sync()
	}
	r.Kill()
	if err := r.start(); err != nil {
		r.tb.Fatal(err)
	}
}

// Ctl runs rabbitmqctl against this node and returns what it printed. It takes
// about half a second.
func (r *Rabbit) Ctl(args ...string) string {
	r.tb.Helper()
	out, err := r.ctl(args...)
	if err != nil {
		r.tb.Fatal(err)
	}
	return out
}

func (r *Rabbit) ctl(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(r.program), "rabbitmqctl"), append([]string{"--quiet"}, args...)...)
	cmd.Env, cmd.Dir = r.environment(), r.dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("rabbitmqctl %s: %w: %s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out), nil
}

// Alarm raises the memory alarm, in which a node takes no more messages from
// publishers, or ends it.
func (r *Rabbit) Alarm(on bool) {
	r.tb.Helper()
	watermark := "0.4" // of the machine's memory, what it is by itself
	if on {
		watermark = "0.00001"
	}
	r.Ctl("set_vm_memory_high_watermark", watermark)
}

// stop ends everything that belongs to the node.
func (r *Rabbit) stop() error {
	var errs []error
	managements.Delete(r.Addr)
	for _, p := range []*process{r.process, r.epmd} {
		if p != nil {
			errs = append(errs, p.kill())
		}
	}
	if r.claim != nil {
		errs = append(errs, r.claim.Close())
	}
	return errors.Join(errs...)
}
