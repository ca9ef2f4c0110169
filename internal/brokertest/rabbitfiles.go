//go:build unix

package brokertest

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	rabbitUser     = "guest" // an administrator
	rabbitPassword = "guest"
)

// rabbitSettings configures a node in Erlang's own words, because reading the
// other format costs a start a second more. The statistics are as fresh as they
// can be, for tests that wait for them: connections and consumers are collected as
// often as the shortest retention policy samples, in whole seconds. A quorum queue
// that ticks while it is still being declared dies in 3.10 (function_clause in
// rabbit_quorum_queue:handle_tick), and on a busy machine that takes 100 ms.
const rabbitSettings = `[
 {rabbit, [
   {tcp_listeners, [%[1]s]},
   {ssl_listeners, [%[2]s]},
   {ssl_options, [%[3]s]},
   {collect_statistics_interval, 100},
   {quorum_tick_interval, 1000},
   {disk_free_limit, 50000000},
   {log, [{console, [{enabled, true}, {level, info}]}, {file, [{file, false}]}]}]},
 {ra, [{wal_max_size_bytes, 67108864}]},
 {rabbitmq_management, [{listener, [{port, %[4]d}, {ip, "127.0.0.1"}]},
   {sample_retention_policies, [{global, [{60, 1}]}, {basic, [{60, 1}]}, {detailed, [{60, 1}]}]}]}
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
	distribution := strconv.Itoa(r.base + portDistribution)
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + r.dir, // where the cookie is
		"LC_ALL=C.UTF-8",
		"ERL_EPMD_PORT=" + strconv.Itoa(r.base),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_CRASH_DUMP_BYTES=0",
		"RABBITMQ_NODENAME=rabbit@localhost",
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
		// Two schedulers, for a test machine may have many processors. And the node is
		// named at once, or it starts another Erlang first to see whether there is epmd.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 -sname rabbit@localhost -kernel inet_dist_use_interface {127,0,0,1}" +
			" inet_dist_listen_min " + distribution + " inet_dist_listen_max " + distribution,
		// Any port: by itself each tool takes one of the same eleven.
		"RABBITMQ_CTL_DIST_PORT_MIN=0",
		"RABBITMQ_CTL_DIST_PORT_MAX=0",
		// The script that starts Erlang becomes it, rather than wait for it: the
		// process that is started here is the one to freeze and kill.
		"detached=1",
	}
}
