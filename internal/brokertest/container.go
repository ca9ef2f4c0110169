//go:build unix

package brokertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// redisImage is the oldest Redis that is still maintained.
const redisImage = "redis:7.2-alpine"

// container starts Redis in a container and returns its URL. An error says why
// there is none, quickly: most machines without Docker are meant to have none.
// Testcontainers' own reaper removes the container after the test process.
func container() (string, error) {
	if err := within(5*time.Second, engineAnswers); err != nil {
		return "", fmt.Errorf("no Docker engine answers: %w", err)
	}
	var url string
	err := within(45*time.Second, func(ctx context.Context) (err error) {
		url, err = runContainer(ctx)
		return err
	})
	return url, err
}

func runContainer(ctx context.Context) (string, error) {
	c, err := testcontainers.Run(ctx, redisImage,
		testcontainers.WithExposedPorts("6379/tcp"),
		testcontainers.WithCmd("redis-server", "--save", "", "--appendonly", "no"),
		testcontainers.WithWaitStrategy(wait.ForListeningPort("6379/tcp")),
	)
	if err != nil {
		if c != nil {
			err = errors.Join(err, testcontainers.TerminateContainer(c))
		}
		return "", fmt.Errorf("run %s: %w", redisImage, err)
	}
	endpoint, err := c.PortEndpoint(ctx, "6379/tcp", "redis")
	if err != nil {
		return "", fmt.Errorf("address of %s: %w", redisImage, err)
	}
	return endpoint, await(endpoint, 10*time.Second, nil, nil)
}

func engineAnswers(ctx context.Context) error {
	p, err := testcontainers.NewDockerProvider()
	if err != nil {
		return err
	}
	return p.Health(ctx)
}

// within bounds what f may take. Looking for an engine ignores contexts in
// places, and panics in others (testcontainers-go#2859), so f runs in a
// goroutine of its own, which is left to its fate after the time.
func within(d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- fmt.Errorf("panic: %v", v)
			}
		}()
		done <- f(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("nothing within %v: %w", d, ctx.Err())
	}
}
