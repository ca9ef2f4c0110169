// Package runner turns services into a program for Procfile platforms: a command
// line, configuration from the environment, logs, signals, readiness and drain.
//
// A user's main names its services and the transports it wants, and no more:
//
//	func main() {
//		runner.Main(dial.Open,
//			runner.RPC("orders", "takes and tracks orders", orders.New))
//	}
//
// The binary then answers to "shop serve orders", "shop web", "shop start",
// "shop call orders place '{…}'" and the rest of "shop help".
package runner

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/internal/webapp"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A Program is one Procfile entry. Make one with RPC or HTTP.
type Program struct {
	Name    string // the service's name and the Procfile's process type; see transports.CheckName
	Summary string // one line for people

	build func(Resources) (*jsonrpc.Mux, error)
}

// RPC returns the program that serves the methods of the mux that build
// returns. build runs once, when the process serves this program, and before the
// broker was reached; its error ends the process with exit code 2.
func RPC(name, summary string, build func(Resources) (*jsonrpc.Mux, error)) Program {
	return Program{Name: name, Summary: summary, build: build}
}

// HTTP returns the program that answers as the handler does which build returns; build
// is as for RPC. The gateway passes it what is asked for below /apps/NAME/, through
// whichever transport is set, so that no browser needs to reach the process.
//
// The handler sees paths without that prefix, which stands in X-Forwarded-Prefix; the
// browser's address, host and scheme in X-Forwarded-For, -Host and -Proto, and the
// gateway's word on who sent the request in [jsonrpc.PrincipalOf] of its context, which
// ends at the deadline of the request. Requests and responses travel in one piece: there
// is no http.Flusher, and a response larger than a message is dropped. Where a worker
// dies, another runs the request again, with Journeyman-Redelivered: true in its header.
func HTTP(name, summary string, build func(Resources) (http.Handler, error)) Program {
	return Program{Name: name, Summary: summary, build: func(r Resources) (*jsonrpc.Mux, error) {
		h, err := build(r)
		if err != nil {
			return nil, err
		}
		if h == nil {
			return nil, errors.New("its build function returned no http.Handler")
		}
		return webapp.Serve(h, r.Config.MaxMessage-replyRoom, r.Log), nil
	}}
}

// replyRoom is what a transport says beside a reply, in bytes.
const replyRoom = 512

// Resources is what a service is given to build itself from. All of it outlives
// the service's handlers.
type Resources struct {
	Caller transports.Caller // for Client; a service that only answers does not need it
	Log    *slog.Logger      // names the service and the instance; what is logged with a handler's ctx also the request at the gateway (request_id) and the trace
	Config Config            // as read from the environment

	calls *bool // set by Client: the process needs the connections of a caller, too
}

// Client returns a client for another service. It waits for nothing: the service
// may start later. Pass the handler's ctx to its calls, so that the deadline of
// the outer call bounds them.
func (r Resources) Client(service string) *client.Client {
	if r.calls != nil {
		*r.calls = true
	}
	return client.New(r.Caller, service, client.Timeout(r.Config.Timeout))
}

// An Opener makes the transport for a target. It returns before the broker was
// reached; its error means that the target cannot work as it stands, which ends
// the process with exit code 2. Package dial has the one for real brokers.
type Opener func(Target) (Link, error)

// A Target is all that an Opener may need to know.
type Target struct {
	URL             string   // the broker's address, with its password: never print it. For amqp a list, separated by commas; "" for a transport that Transport names
	Transport       string   // redis, rabbitmq or http
	TLS             string   // for rediss: "" or "verify", "insecure", "pin:<sha256 hex>"
	Namespace       string   // goes before the names of queues; may be empty
	Catalogue       []string // service names to announce: calls to them wait until one is up
	Known           []string // service names that the app has; to look for, where a broker cannot list them
	ArticleServices []string // services whose workers speak the bare wire
	MaxMessage      int      // bytes
	MaxQueue        int      // messages that may wait for one service

	// Over HTTP alone.
	Services map[string]string // base URLs by service, with their passwords
	Listen   string            // host:port for what this process serves
	Keys     []string          // any of which callers must show; ours show the first

	Instance string // the platform's name for this process; not unique
	Version  string
	Log      *slog.Logger
}

// A Link is an open transport and what an operator wants to know of it.
type Link struct {
	Transport transports.Transport

	// Connections tells how many broker connections a process holds that serves,
	// calls, or does both. Nil where nobody counts them.
	Connections func(serving, calling bool) int
}

// checkPrograms finds the mistakes that a main function can make.
func checkPrograms(programs []Program) error {
	seen := map[string]bool{}
	for _, p := range programs {
		if err := transports.CheckName(p.Name); err != nil {
			return err
		}
		if seen[p.Name] {
			return fmt.Errorf("service name %q is used by two programs", p.Name)
		}
		if p.build == nil {
			return fmt.Errorf("service %q has no function that builds it; make programs with runner.RPC or runner.HTTP", p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}
