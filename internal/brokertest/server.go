//go:build unix

package brokertest

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Server is a Redis process of a test's own, on a port of 127.0.0.1. Its
// methods may be called by one goroutine at a time, the test's own, as they fail
// the test where they do not succeed.
type Server struct {
	URL  string         // redis:// or rediss://, with the password if there is one
	Addr string         // host:port
	CA   *x509.CertPool // who signed the server's certificate; nil without TLS

	tb      testing.TB
	program string
	args    []string
	dir     string // what it stores, and its log
	remove  bool   // the folder goes with the process
	process *process
}

// Redis starts a Redis for this test alone, always as a process of this
// machine, and ends it with the test.
func Redis(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	program, err := redisProgram()
	if err != nil {
		tb.Fatal(err)
	}
	var c config
	for _, o := range opts {
		o.configureRedis(&c)
	}
	s, err := startRedis(program, tb.TempDir(), c)
	if err != nil {
		tb.Fatal(err)
	}
	s.tb = tb
	tb.Cleanup(s.Kill)
	return s
}

// startRedis tries again where another process was faster to take the free port.
func startRedis(program, dir string, c config) (*Server, error) {
	var errs []error
	for range 5 {
		s, err := configure(program, dir, c)
		if err != nil {
			return nil, err
		}
		if err = s.start(); err == nil {
			return s, nil
		}
		errs = append(errs, err)
		if !strings.Contains(err.Error(), "Address already in use") {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func configure(program, dir string, c config) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	addr := l.Addr().(*net.TCPAddr)
	u := url.URL{Scheme: "redis", Host: addr.String(), Path: "/0"}
	s := &Server{Addr: addr.String(), program: program, dir: dir, remove: c.removeDir}
	s.args = []string{"--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no", "--daemonize", "no"}
	if c.password != "" {
		u.User = url.UserPassword("", c.password)
		s.args = append(s.args, "--requirepass", c.password)
	}
	port := fmt.Sprint(addr.Port)
	if c.tls {
		u.Scheme = "rediss"
		if s.CA, err = writeCertificate(dir); err != nil {
			return nil, err
		}
		s.args = append(s.args, "--port", "0", "--tls-port", port, "--tls-auth-clients", "no",
			"--tls-cert-file", filepath.Join(dir, certFile), "--tls-key-file", filepath.Join(dir, keyFile),
			"--tls-ca-cert-file", filepath.Join(dir, certFile))
	} else {
		s.args = append(s.args, "--port", port)
	}
	s.args = append(s.args, c.args...)
	s.URL = u.String()
	return s, nil
}

// start starts the process and waits until it answers.
func (s *Server) start() error {
	logPath := filepath.Join(s.dir, "log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of %s: %w", s.program, err)
	}
	defer log.Close()
	cmd := exec.Command(s.program, s.args...)
	cmd.Stdout, cmd.Stderr = log, log
	remove := ""
	if s.remove {
		remove = s.dir
	}
	if s.process, err = startProcess(cmd, remove); err != nil {
		return fmt.Errorf("start %s: %w", s.program, err)
	}
	if err := await(s.URL, 10*time.Second, s.secure, s.process.alive); err != nil {
		_ = s.process.kill()
		text, _ := os.ReadFile(logPath)
		return fmt.Errorf("start %s: %w; its log:\n%s", s.program, err, text)
	}
	return nil
}

// Pid is the process's number; it changes with Restart.
func (s *Server) Pid() int { return s.process.pid() }

// Pause freezes the process: its connections stay open and nothing is answered
// until Resume. It returns when the process has stopped.
func (s *Server) Pause() {
	s.tb.Helper()
	if err := s.process.pause(); err != nil {
		s.tb.Fatalf("pause %s: %v", s.program, err)
	}
}

// Resume ends a Pause. Without one it does nothing.
func (s *Server) Resume() {
	s.tb.Helper()
	if err := s.process.signal(syscall.SIGCONT); err != nil {
		s.tb.Fatalf("resume %s: %v", s.program, err)
	}
}

// Kill ends the process with SIGKILL. A process that has ended is no error.
func (s *Server) Kill() {
	s.tb.Helper()
	if err := s.process.kill(); err != nil {
		s.tb.Errorf("kill %s: %v", s.program, err)
	}
}

// Restart kills the process, if it is there, and starts it again at the same
// address with what it had stored. It returns when the new one answers.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		s.tb.Fatal(err)
	}
}
