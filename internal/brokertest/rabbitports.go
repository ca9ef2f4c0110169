//go:build unix

package brokertest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// What each of a node's four ports is for, counted from the first. The first is
// that of epmd.
const (
	portDistribution = 1
	portAMQP         = 2
	portManagement   = 3
)

// takePorts finds four ports in a row and starts epmd on the first of them. It
// claims them by the UDP port of the same number, which nobody else uses: as
// blocks of four never overlap, the test processes of a machine keep out of each
// other's way for as long as they live.
func (r *Rabbit) takePorts(block func() int) error {
	var errs []error
	for range 50 {
		r.base = block()
		claim, err := net.ListenPacket("udp", local(r.base))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := free(r.base, 4); err != nil {
			errs = append(errs, err, claim.Close())
			continue
		}
		r.claim, r.Addr = claim, local(r.base+portAMQP)
		managements.Store(r.Addr, r.manage())
		return r.startEpmd()
	}
	return fmt.Errorf("find four free ports in a row: %w", errors.Join(errs...))
}

// startEpmd starts Erlang's name server in the foreground, where a node that
// finds none would start one that stays behind for ever.
func (r *Rabbit) startEpmd() error {
	program, err := exec.LookPath("epmd")
	if err != nil {
		return fmt.Errorf("find Erlang's name server: %w", err)
	}
	cmd := exec.Command(program, "-port", fmt.Sprint(r.base), "-address", "127.0.0.1")
	cmd.Env, cmd.Dir = r.environment(), r.dir
	if r.epmd, err = startProcess(cmd, ""); err == nil {
		err = awaitPort(r.base, r.epmd.alive)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	return nil
}

// randomBlock returns the first of four ports below those that systems give to
// outgoing connections: none of these can take the port of a node that is
// starting again, nor can a client that keeps trying to reach it connect to itself.
func randomBlock() int {
	low := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if first, _, ok := bytes.Cut(bytes.TrimSpace(text), []byte("\t")); ok {
			if n, err := strconv.Atoi(string(first)); err == nil {
				low = n
			}
		}
	}
	if low < 12000 {
		low = 32768 // such a machine leaves too few
	}
	n, err := rand.Int(rand.Reader, big.NewInt(int64(low-10000)/4))
	if err != nil {
		panic(err) // never, says crypto/rand
	}
	return 10000 + 4*int(n.Int64())
}

// free returns an error if one of n ports from first is taken.
func free(first, n int) error {
	var errs []error
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", local(port))
		if err == nil {
			err = l.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// awaitPort waits until something listens at the port.
func awaitPort(port int, dead func() error) error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if err := dead(); err != nil {
			return err
		}
		conn, err := net.DialTimeout("tcp", local(port), time.Second)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
