//go:build unix

package brokertest

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// RabbitURLVariable names the environment variable that holds the URL of a
// RabbitMQ which tests may use, with an administrator in it. It needs the
// management plugin; see [ManagementVariable]. Tests create vhosts of their own
// and delete them.
const RabbitURLVariable = "JOURNEYMAN_TEST_RABBITMQ_URL"

// sharedRabbit is the one that this process's cheap tests share.
var sharedRabbit = sync.OnceValues(chooseRabbit)

// Vhost returns the URL of a vhost of the test's own, empty, on a RabbitMQ that
// other tests use too, and of a user who may do everything there and nothing
// elsewhere. When the test has ended both are deleted, with the queues and the
// connections. Only the first in a process takes long.
func Vhost(tb testing.TB) string {
	tb.Helper()
	shared, err := sharedRabbit()
	if err != nil {
		tb.Fatal(err)
	}
	m, _, _ := manage(tb, shared.URL)
	name, password := "t"+strings.ToLower(rand.Text()[:16]), rand.Text()
	tb.Cleanup(func() {
		if err := m.removeVhost(name); err != nil {
			tb.Errorf("delete vhost %s: %v", name, err)
		}
	})
	if err := m.addVhost(name, password); err != nil {
		tb.Fatalf("add a vhost: %v", err)
	}
	return address(shared.URL, name, password, name)
}

// address returns an amqp URL with another user and vhost.
func address(amqpURL, user, password, vhost string) string {
	u, err := url.Parse(amqpURL)
	if err != nil {
		panic("brokertest: a URL that was in use is none")
	}
	u.User = url.UserPassword(user, password)
	u.Path, u.RawPath = "/"+vhost, "/"+url.PathEscape(vhost)
	return u.String()
}

// chooseRabbit finds or starts the shared RabbitMQ and says which one it is.
// Only one that it started here has more than a URL.
func chooseRabbit() (*Rabbit, error) {
	if url := os.Getenv(RabbitURLVariable); url != "" {
		if err := useRabbit(url, os.Getenv(ManagementVariable), 5*time.Second); err != nil {
			return nil, fmt.Errorf("the RabbitMQ that %s names, or its management API, does not answer: %w", RabbitURLVariable, err)
		}
		say("RabbitMQ is the one of %s", RabbitURLVariable)
		return &Rabbit{URL: url}, nil
	}
	url, err := rabbitContainer()
	if err == nil {
		say("RabbitMQ is a container of %s", rabbitImage)
		return &Rabbit{URL: url}, nil
	}
	say("no RabbitMQ in a container: %v", err)
	program, err := rabbitProgram(rabbitFolders())
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "brokertest-")
	if err != nil {
		return nil, fmt.Errorf("folder for RabbitMQ: %w", err)
	}
	began := time.Now()
	r, err := startRabbit(program, dir, rabbitConfig{removeDir: true})
	if err != nil {
		return nil, err
	}
	say("RabbitMQ is %s at %s, up in %v", program, r.Addr, time.Since(began).Round(10*time.Millisecond))
	return r, nil
}

// useRabbit gets to know a RabbitMQ that runs already.
func useRabbit(amqpURL, api string, patience time.Duration) error {
	m, err := namedManagement(amqpURL, api)
	if err != nil {
		return err
	}
	if err := awaitRabbit(amqpURL, m, nil, patience, nil); err != nil {
		return err
	}
	u, err := url.Parse(amqpURL)
	if err != nil {
		return err
	}
	managements.Store(u.Host, m)
	return nil
}
