//go:build unix

package brokertest

import (
	"context"
	"fmt"
	"net/http"
	"testing"
)

// A QueueInfo is what the management API says of a queue.
type QueueInfo struct {
	Name      string
	Type      string // classic, quorum or stream
	Durable   bool
	Ready     int // messages that wait
	Unacked   int // messages that consumers have
	Consumers int
	Arguments map[string]any
}

// Queues returns the queues of the URL's vhost, in no order. Numbers of messages
// and consumers lag behind by some tenths of a second: wait for what you expect.
func Queues(tb testing.TB, amqpURL string) []QueueInfo {
	tb.Helper()
	m, vhost, _ := manage(tb, amqpURL)
	var listed []struct {
		Name      string         `json:"name"`
		Type      string         `json:"type"`
		Durable   bool           `json:"durable"`
		Ready     int            `json:"messages_ready"`
		Unacked   int            `json:"messages_unacknowledged"`
		Arguments map[string]any `json:"arguments"`
	}
	var consumers []struct {
		Queue struct {
			Name string `json:"name"`
		} `json:"queue"`
	}
	err := bounded(func(ctx context.Context) error {
		const totals = "?disable_stats=true&enable_queue_totals=true"
		if err := m.do(ctx, http.MethodGet, nil, &listed, totals, "queues", vhost); err != nil {
			return err
		}
		return m.do(ctx, http.MethodGet, nil, &consumers, "", "consumers", vhost)
	})
	if err != nil {
		tb.Fatalf("list queues: %v", err)
	}
	queues := make([]QueueInfo, 0, len(listed))
	for _, q := range listed {
		info := QueueInfo{Name: q.Name, Type: q.Type, Durable: q.Durable, Ready: q.Ready, Unacked: q.Unacked, Arguments: q.Arguments}
		for _, c := range consumers {
			if c.Queue.Name == q.Name {
				info.Consumers++
			}
		}
		queues = append(queues, info)
	}
	return queues
}

// Connections returns the names of the connections that the URL's user has, in
// every vhost, such as "127.0.0.1:50244 -> 127.0.0.1:5672". It is never late.
func Connections(tb testing.TB, amqpURL string) []string {
	tb.Helper()
	m, _, user := manage(tb, amqpURL)
	var listed []struct {
		Name string `json:"name"`
	}
	err := bounded(func(ctx context.Context) error {
		return m.do(ctx, http.MethodGet, nil, &listed, "", "connections", "username", user)
	})
	if err != nil {
		tb.Fatalf("list connections: %v", err)
	}
	names := make([]string, 0, len(listed))
	for _, c := range listed {
		names = append(names, c.Name)
	}
	return names
}

// CloseConnections has the broker close all connections of the URL's user, as an
// operator would (code 320, CONNECTION_FORCED). The user may come back at once.
func CloseConnections(tb testing.TB, amqpURL string) {
	tb.Helper()
	m, _, user := manage(tb, amqpURL)
	err := bounded(func(ctx context.Context) error {
		return m.do(ctx, http.MethodDelete, nil, nil, "", "connections", "username", user)
	})
	if err != nil {
		tb.Fatal(fmt.Errorf("close connections: %w", err))
	}
}
