//go:build unix

package brokertest

import (
	"context"
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

// Queues returns the queues of the URL's vhost, in no order. Numbers of messages and
// of consumers are a second late, with a broker that was not started here five: wait
// for what you expect.
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
