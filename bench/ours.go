package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/internal/heap"
	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/transports"
)

// sizes is the service of the app beside the calculator; it is given long texts.
const sizes = "sizes"

func (w work) service() string {
	if w.Payload > 0 {
		return sizes
	}
	return queue
}

// An ours calls through the public client, as a user's program does.
type ours struct {
	transports []transports.Transport
	clients    []*client.Client
	work       work
	params     any
}

func openOurs(carrier string) func(target) (caller, error) {
	return func(t target) (caller, error) { return openVia(carrier, t) }
}

func openBatches(carrier string) func(target) (caller, error) {
	return func(t target) (caller, error) {
		o, err := openVia(carrier, t)
		if err != nil {
			return nil, err
		}
		return &batches{o}, nil
	}
}

// openVia opens a transport for each address: over HTTP callers have one for each
// worker, and with a broker there is one.
func openVia(carrier string, t target) (*ours, error) {
	heap.Tune(os.Getenv("GOGC")) // as package runner does in the processes in which calls are made
	o := &ours{work: t.Work, params: t.Work.params()}
	for _, url := range t.URLs {
		link, err := dial.Open(destination(carrier, url))
		if err != nil {
			return nil, errors.Join(err, o.Close())
		}
		o.transports = append(o.transports, link.Transport)
		o.clients = append(o.clients, client.New(link.Transport, t.Work.service()))
	}
	return o, nil
}

// manyQueued is more than any scenario has waiting.
const manyQueued = 2_000_000

// destination is what runner gives to an opener.
func destination(carrier, url string) runner.Target {
	to := runner.Target{
		URL: url, Transport: carrier, MaxMessage: 8 << 20, MaxQueue: manyQueued, Instance: "bench",
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	to.Catalogue = []string{queue, "statistics", sizes}
	to.Known = to.Catalogue
	return to
}

func (o *ours) Close() error {
	var errs []error
	for _, t := range o.transports {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

func (o *ours) client(n int) *client.Client { return o.clients[n%len(o.clients)] }

// call wants the sum to be right; that the reply is to this request the client sees to.
func (o *ours) call(ctx context.Context, n int) error {
	sum, err := client.Result[float64](ctx, o.client(n), o.work.method(), o.params)
	if err != nil {
		return err
	}
	return o.check(sum)
}

func (o *ours) check(sum float64) error {
	if sum != o.work.result() {
		return fmt.Errorf("the result is %v, want %v", sum, o.work.result())
	}
	return nil
}

// batches are the same calls, many in each message.
type batches struct{ *ours }

func (b *batches) call(ctx context.Context, n int) error {
	var sums [perBatch]float64
	var calls [perBatch]*client.Call
	for i := range calls {
		calls[i] = &client.Call{Method: b.work.method(), Params: b.params, Result: &sums[i]}
	}
	if err := b.client(n).Batch(ctx, calls[:]...); err != nil {
		return err
	}
	for i, c := range calls {
		if c.Err != nil {
			return c.Err
		}
		if err := b.check(sums[i]); err != nil {
			return err
		}
	}
	return nil
}
