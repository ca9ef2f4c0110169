//go:build unix

package brokertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// rabbitFolders is where packages put RabbitMQ's own scripts. What they put on
// PATH may be a wrapper that changes the user.
func rabbitFolders() []string {
	return []string{"/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin"}
}

// rabbitProgram returns the path of rabbitmq-server, from PATH or the folders,
// which it installs if it must and can.
func rabbitProgram(folders []string) (string, error) {
	path, err := lookRabbit(folders)
	if err == nil {
		return path, nil
	}
	if _, aptErr := exec.LookPath("apt-get"); aptErr != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("%w. Install RabbitMQ 3.10 or newer (Debian: apt-get install rabbitmq-server; "+
			"macOS: brew install rabbitmq), or set %s", err, RabbitURLVariable)
	}
	if err := installByApt("rabbitmq-server", policyPath); err != nil {
		return "", fmt.Errorf("there is no rabbitmq-server, and installing it did not succeed: %w", err)
	}
	return lookRabbit(folders)
}

// lookRabbit finds the script that starts the server as whoever calls it. Its
// neighbour rabbitmq-env tells it from wrappers.
func lookRabbit(folders []string) (string, error) {
	if found, err := exec.LookPath("rabbitmq-server"); err == nil {
		beside := []string{filepath.Dir(found)}
		if file, err := filepath.EvalSymlinks(found); err == nil {
			beside = append(beside, filepath.Dir(file))
		}
		folders = append(beside, folders...)
	}
	for _, dir := range folders {
		if _, err := os.Stat(filepath.Join(dir, "rabbitmq-env")); err != nil {
			continue
		}
		if path, err := exec.LookPath(filepath.Join(dir, "rabbitmq-server")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no rabbitmq-server is on PATH or where packages put it")
}
