//go:build unix

package brokertest

import (
	"context"
	"errors"
	"net/http"
	"testing"
)

// A ConnectionInfo is what the management API says of a client's connection.
type ConnectionInfo struct {
	ID       string   // the broker's name for it
	Name     string   // the client's own, its property connection_name
	Consumes []string // the queues that it consumes, once for each consumer
}

// Connections returns the connections to the URL's vhost, in no order. New ones, and
// names, are seen some tenths of a second late: wait for what you expect.
func Connections(tb testing.TB, amqpURL string) []ConnectionInfo {
	tb.Helper()
	m := manageOf(tb, amqpURL)
	var listed []struct {
		ID         string `json:"name"`
		Properties struct {
			Name string `json:"connection_name"`
		} `json:"client_properties"`
	}
	var consumers []struct {
		Queue struct {
			Name string `json:"name"`
		} `json:"queue"`
		Details any            `json:"channel_details"` // an object, or an empty list where the channel has just gone
	}
	err := bounded(func(ctx context.Context) error {
		if err := m.do(ctx, http.MethodGet, nil, &listed, "", "vhosts", m.vhost, "connections"); err != nil {
			return err
		}
		return m.do(ctx, http.MethodGet, nil, &consumers, "", "consumers", m.vhost)
	})
	if err != nil {
		tb.Fatalf("list connections: %v", err)
	}
	connections := make([]ConnectionInfo, 0, len(listed))
	for _, l := range listed {
		info := ConnectionInfo{ID: l.ID, Name: l.Properties.Name}
		for _, c := range consumers {
			if details, ok := c.Details.(map[string]any); ok && details["connection_name"] == l.ID {
				info.Consumes = append(info.Consumes, c.Queue.Name)
			}
		}
		connections = append(connections, info)
	}
	return connections
}

// CloseConnections closes connections as an operator does, all of the vhost's or those
// whose own name is one of these. One that has gone is no error.
func CloseConnections(tb testing.TB, amqpURL string, names ...string) (closed int) {
	tb.Helper()
	m := manageOf(tb, amqpURL)
	for _, c := range Connections(tb, amqpURL) {
		wanted := len(names) == 0
		for _, name := range names {
			wanted = wanted || c.Name == name
		}
		if !wanted {
			continue
		}
		err := bounded(func(ctx context.Context) error {
			return m.do(ctx, http.MethodDelete, nil, nil, "", "connections", c.ID)
		})
		if r := (*refusal)(nil); errors.As(err, &r) && r.status == http.StatusNotFound {
			continue
		}
		if err != nil {
			tb.Fatalf("close connection %s: %v", c.Name, err)
		}
		closed++
	}
	return closed
}
