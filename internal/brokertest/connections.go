//go:build unix

package brokertest

import (
	"context"
	"net/http"
	"slices"
	"testing"
)

// A ConnectionInfo is what the management API says of a client's connection.
type ConnectionInfo struct {
	ID       string   // the broker's name for it
	Name     string   // the client's own, its property connection_name
	Consumes []string // the queues that it consumes, once for each consumer
}

// Connections returns the connections to the URL's vhost, in no order. New ones are
// seen a second late, with a broker that was not started here five: wait for what you
// expect.
func Connections(tb testing.TB, amqpURL string) []ConnectionInfo {
	tb.Helper()
	m, vhost, _ := manage(tb, amqpURL)
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
		Details any `json:"channel_details"` // an object, or an empty list where the channel has just gone
	}
	err := bounded(func(ctx context.Context) error {
		if err := m.do(ctx, http.MethodGet, nil, &listed, "", "vhosts", vhost, "connections"); err != nil {
			return err
		}
		return m.do(ctx, http.MethodGet, nil, &consumers, "", "consumers", vhost)
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

// CloseConnections closes connections as an operator does (CONNECTION_FORCED, code
// 320): the vhost's whose own name is one of these, or, without names, all of the
// URL's user, of which none is overlooked for being new. One that has gone is no error.
func CloseConnections(tb testing.TB, amqpURL string, names ...string) {
	tb.Helper()
	m, _, user := manage(tb, amqpURL)
	if len(names) == 0 {
		if err := m.remove("connections", "username", user); err != nil {
			tb.Fatalf("close the connections of %s: %v", user, err)
		}
		return
	}
	for _, c := range Connections(tb, amqpURL) {
		if !slices.Contains(names, c.Name) {
			continue
		}
		if err := m.remove("connections", c.ID); err != nil {
			tb.Fatalf("close connection %s: %v", c.Name, err)
		}
	}
}
