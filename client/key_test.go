//go:build unix

package client_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// Two calls with one key may wait at the same time in one process: the method runs
// once, and both get its result.
func TestKeyOfTwoWaitingCalls(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) transports.Transport{
		"memory": func(*testing.T) transports.Transport { return memory.Open("counter") },
		"redis": func(t *testing.T) transports.Transport {
			url, namespace := brokertest.Namespace(t)
			transport, err := redislist.Open(redislist.Options{URL: url, Namespace: namespace, Catalogue: []string{"counter"}})
			if err != nil {
				t.Fatal(err)
			}
			return transport
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport := open(t)
			finish := make(chan struct{})
			var runs atomic.Int32
			stop := serveOnce(t, transport, "counter", func(context.Context, transports.Message) string {
				<-finish
				return strconv.Itoa(int(runs.Add(1)))
			})
			defer stop()
			release := sync.OnceFunc(func() { close(finish) })
			defer release()

			c := client.New(transport, "counter", client.Timeout(patience))
			type result struct {
				n   int
				err error
			}
			results := make(chan result, 2)
			for range cap(results) {
				go func() {
					n, err := client.Result[int](t.Context(), c, "next", []int{1}, client.Key("order-42"))
					results <- result{n, err}
				}()
			}
			awaitInFlight(t, transport, 2)
			release()
			for range cap(results) {
				if r := <-results; r.n != 1 || r.err != nil {
					t.Errorf("a call got %d and %v, want the first run's 1", r.n, r.err)
				}
			}
			if n, err := client.Result[int](t.Context(), c, "other", []int{1}, client.Key("order-42")); n != 2 || err != nil {
				t.Errorf("the key under another method: %d and %v, want a run of its own", n, err)
			}
		})
	}
}

const patience = 30 * time.Second

// serveOnce serves calls that run effectively once for each key; run returns their
// result. stop ends the service and the transport.
func serveOnce(t *testing.T, transport transports.Transport, service string, run func(context.Context, transports.Message) string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- transport.Serve(ctx, transports.Service{
			Name:   service,
			Dedupe: func(transports.Message) bool { return true },
			Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
				requests, _, err := jsonrpc.DecodeRequests(m.Body)
				if err != nil {
					return transports.Outcome{Verdict: transports.Bury, Err: err}
				}
				reply := []byte(`{"jsonrpc":"2.0","id":` + string(requests[0].ID) + `,"result":` + run(ctx, m) + `}`)
				return transports.Outcome{Reply: reply, Keep: time.Minute}
			},
		})
	}()
	return func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
	}
}

// awaitInFlight waits until a worker has taken n messages.
func awaitInFlight(t *testing.T, transport transports.Transport, n int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		list, err := transport.(transports.Inspector).Services(t.Context())
		if err == nil && len(list) == 1 && list[0].InFlight != nil && *list[0].InFlight == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited for %d messages to be taken; the services are %+v, %v", n, list, err)
		}
	}
}
