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
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What each of a node's four ports is for, counted from the first. The first is
// that of epmd.
const (
	portDistribution = 1
	portAMQP         = 2
	portManagement   = 3
)

const (
	rabbitUser     = "guest" // an administrator
	rabbitPassword = "guest"
)

// rabbitSettings configures a node in Erlang's own words, because reading the
// other format costs a start a second more. The statistics are as fresh as they
// can be, for tests that wait for them; the log shows what went wrong.
const rabbitSettings = `[
 {rabbit, [
   {tcp_listeners, [%[1]s]},
   {ssl_listeners, [%[2]s]},
   {ssl_options, [%[3]s]},
   {collect_statistics_interval, 100},
   {quorum_tick_interval, 100},
   {disk_free_limit, 50000000},
   {log, [{console, [{enabled, true}, {level, info}]}, {file, [{file, false}]}]}]},
 {ra, [{wal_max_size_bytes, 67108864}]},
 {rabbitmq_management, [{listener, [{port, %[4]d}, {ip, "127.0.0.1"}]}]}
].
`

// write puts what a node reads at its start into its folder.
func (r *Rabbit) write() error {
	listener := fmt.Sprintf(`{"127.0.0.1", %d}`, r.base+portAMQP)
	plain, secure, options, scheme := listener, "", "", "amqp"
	if r.config.tls {
		var err error
		if r.CA, err = writeCertificate(r.dir); err != nil {
			return err
		}
		plain, secure, scheme = "", listener, "amqps"
		options = fmt.Sprintf(`{certfile, %q}, {keyfile, %q}, {verify, verify_none}`,
			filepath.Join(r.dir, certFile), filepath.Join(r.dir, keyFile))
	}
	r.URL = fmt.Sprintf("%s://%s:%s@%s/", scheme, rabbitUser, rabbitPassword, r.Addr)
	files := map[string]string{
		".erlang.cookie":  rand.Text(),
		"advanced.config": fmt.Sprintf(rabbitSettings, plain, secure, options, r.base+portManagement),
		"enabled_plugins": "[rabbitmq_management].\n",
		"rabbitmq-env":    "",
	}
	if len(r.config.lines) > 0 {
		files["rabbitmq.conf"] = strings.Join(r.config.lines, "\n") + "\n"
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o400); err != nil {
			return err
		}
	}
	return nil
}

// environment is that of a node and of its tools, complete: a machine's own
// RabbitMQ is configured by variables and files of which none is to apply here.
func (r *Rabbit) environment() []string {
	in := func(name string) string { return filepath.Join(r.dir, name) }
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + r.dir, // where the cookie is
		"LC_ALL=C.UTF-8",
		"ERL_EPMD_PORT=" + strconv.Itoa(r.base),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_CRASH_DUMP_BYTES=0",
		"RABBITMQ_NODENAME=rabbit@localhost",
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(r.base+portDistribution),
		"RABBITMQ_CONF_ENV_FILE=" + in("rabbitmq-env"),
		"RABBITMQ_CONFIG_FILE=" + in("rabbitmq"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + in("advanced.config"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + in("generated"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + in("enabled_plugins"),
		"RABBITMQ_PLUGINS_EXPAND_DIR=" + in("plugins"),
		"RABBITMQ_FEATURE_FLAGS_FILE=" + in("feature_flags"),
		"RABBITMQ_MNESIA_BASE=" + r.dir,
		"RABBITMQ_MNESIA_DIR=" + in("data"),
		"RABBITMQ_PID_FILE=" + in("pid"),
		"RABBITMQ_LOG_BASE=" + r.dir,
		"RABBITMQ_LOGS=-",
		// Two schedulers that sleep when there is nothing to do; and the node named
		// at once, or it starts another Erlang first to see whether there is epmd.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +A 4 +sbwt none +sbwtdcpu none +sbwtdio none -sname rabbit@localhost -kernel inet_dist_use_interface {127,0,0,1} inet_dist_listen_min " +
			strconv.Itoa(r.base+portDistribution) + " inet_dist_listen_max " + strconv.Itoa(r.base+portDistribution),
		// The script that starts Erlang becomes it, rather than wait for it: the
		// process that is started here is the one to freeze and kill.
		"detached=1",
	}
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
