//go:build unix

package brokertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// rabbitImage is the newest RabbitMQ; processes are as old as the system's packages.
const rabbitImage = "rabbitmq:4-management"

// rabbitContainer starts RabbitMQ in a container and returns its URL.
func rabbitContainer() (string, error) {
	if err := within(5*time.Second, engineAnswers); err != nil {
		return "", fmt.Errorf("no Docker engine answers: %w", err)
	}
	var url string
	err := within(2*time.Minute, func(ctx context.Context) (err error) {
		url, err = runRabbitContainer(ctx)
		return err
	})
	return url, err
}

func runRabbitContainer(ctx context.Context) (string, error) {
	c, err := testcontainers.Run(ctx, rabbitImage,
		testcontainers.WithExposedPorts("5672/tcp", "15672/tcp"),
		testcontainers.WithFiles(
			file("/etc/rabbitmq/conf.d/90-brokertest.conf", "collect_statistics_interval = 100\nloopback_users = none\n"),
			file("/etc/rabbitmq/advanced.config", "[{rabbit, [{quorum_tick_interval, 100}]}].\n"),
		),
		testcontainers.WithWaitStrategy(wait.ForListeningPort("5672/tcp"), wait.ForListeningPort("15672/tcp")),
	)
	if err != nil {
		if c != nil {
			err = errors.Join(err, testcontainers.TerminateContainer(c))
		}
		return "", fmt.Errorf("run %s: %w", rabbitImage, err)
	}
	endpoint, err := c.PortEndpoint(ctx, "5672/tcp", "")
	if err != nil {
		return "", fmt.Errorf("address of %s: %w", rabbitImage, err)
	}
	api, err := c.PortEndpoint(ctx, "15672/tcp", "http")
	if err != nil {
		return "", fmt.Errorf("address of the management API of %s: %w", rabbitImage, err)
	}
	url := fmt.Sprintf("amqp://%s:%s@%s/", rabbitUser, rabbitPassword, endpoint)
	m := management{base: api, user: rabbitUser, password: rabbitPassword}
	managements.Store(endpoint, m)
	return url, awaitRabbit(url, m, nil, time.Minute, nil)
}

func file(path, text string) testcontainers.ContainerFile {
	return testcontainers.ContainerFile{Reader: strings.NewReader(text), ContainerFilePath: path, FileMode: 0o644}
}
