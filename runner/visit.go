package runner

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// visitFor is how long a service may take to say what it is.
const visitFor = 2 * time.Second

// visit asks every service what it is, as over HTTP there is nobody else to ask. Of
// one that answers it notes a worker, whose id is the address, and not how many there
// are behind it; of one that does not, that nobody takes anything.
func visit(ctx context.Context, s *session, list []transports.ServiceStatus) {
	var visits sync.WaitGroup
	for i := range list {
		visits.Go(func() {
			status := &list[i]
			result, err := client.New(s.transport, status.Name, client.Timeout(visitFor)).CallRaw(ctx, "rpc.discover", nil)
			_, answered := errors.AsType[*jsonrpc.Error](err)
			var nobody int64
			switch {
			case err == nil, answered:
				w := transports.WorkerStatus{ID: redactURL(s.env.broker.addressOf(status.Name))}
				w.Version, w.Methods = fromDiscovery(result)
				status.Workers = []transports.WorkerStatus{w}
			case errors.Is(err, transports.ErrUnavailable), errors.Is(err, transports.ErrNoService):
				status.Consumers = &nobody
			}
		})
	}
	visits.Wait()
}

// fromDiscovery reads an OpenRPC document; what is missing stays empty.
func fromDiscovery(document json.RawMessage) (version string, methods []string) {
	var d struct {
		Info    struct{ Version string }
		Methods []struct{ Name string }
	}
	if json.Unmarshal(document, &d) != nil {
		return "", nil
	}
	for _, m := range d.Methods {
		methods = append(methods, m.Name)
	}
	return d.Info.Version, methods
}
