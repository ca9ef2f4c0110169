package main

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A network is a toxiproxy in front of the broker.
type network struct {
	proxy *toxiproxy.Proxy
	world *world
	url   string
}

// A toxic is one fault of a network. Attributes are described in toxiproxy's README.
type toxic struct {
	Type       string         `json:"type"`
	Name       string         `json:"name"`
	Stream     string         `json:"stream"` // upstream is towards the broker
	Attributes map[string]int `json:"attributes"`
}

func (w *world) network() *network {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics use the global logger
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n := &network{proxy: toxiproxy.NewProxy(server, w.wire.name, "127.0.0.1:0", w.broker.addr()), world: w}
	w.must(n.proxy.Start())
	w.cleanup(n.proxy.Stop)
	n.url = through(w.url, n.proxy.Listen)
	return n
}

// through returns a broker's URL with another address.
func through(broker, addr string) string {
	u, err := url.Parse(broker)
	if err != nil {
		panic(halt{err.Error()})
	}
	u.Host = addr
	return u.String()
}

// poison adds toxics and returns what removes them. Removing a black hole closes
// the connections that it swallowed something of, as a firewall's restart would.
func (n *network) poison(toxics ...toxic) (heal func()) {
	for i := range toxics {
		toxics[i].Name = toxics[i].Type + "-" + toxics[i].Stream
		text, err := json.Marshal(toxics[i])
		n.world.must(err)
		_, err = n.proxy.Toxics.AddToxicJson(strings.NewReader(string(text)))
		n.world.must(err)
	}
	return func() { n.proxy.Toxics.ResetToxics(context.Background()) }
}

// listen finds a free port of this machine.
func (w *world) listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	return l
}
