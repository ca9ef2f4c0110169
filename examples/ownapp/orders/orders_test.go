package orders_test

import (
	"context"
	"errors"
	"testing"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"

	"example.com/shop/orders"
)

// serve runs the service in this process and returns a client for it. Between
// them stands all that stands there in production, but for the broker.
func serve(t *testing.T) *client.Client {
	t.Helper()
	mux := orders.New(orders.Prices{"tea": 450})
	transport := memory.Open("orders")
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- transport.Serve(ctx, transports.Service{
			Name: "orders",
			Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
				return transports.Outcome{Reply: mux.Answer(ctx, m.Body).Reply}
			},
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-served, transport.Close()); err != nil {
			t.Error(err)
		}
	})
	return client.New(transport, "orders")
}

func TestQuote(t *testing.T) {
	t.Parallel()
	got, err := client.Result[orders.Quote](t.Context(), serve(t), "quote", orders.Line{Item: "tea", Quantity: 3})
	if want := (orders.Quote{Cents: 1350}); err != nil || got != want {
		t.Errorf("three teas: %+v, %v; want %+v", got, err, want)
	}
}

func TestQuoteOfAnUnknownItem(t *testing.T) {
	t.Parallel()
	_, err := client.Result[orders.Quote](t.Context(), serve(t), "quote", []any{"gold", 1})
	no, ok := errors.AsType[*jsonrpc.Error](err)
	if !ok || no.Code != orders.CodeUnknownItem || string(no.Data) != `"gold"` {
		t.Errorf("got %v, want an error of the service that names gold", err)
	}
}

func TestQuoteOfFewerThanOne(t *testing.T) {
	t.Parallel()
	_, err := client.Result[orders.Quote](t.Context(), serve(t), "quote", orders.Line{Item: "tea", Quantity: -1})
	no, ok := errors.AsType[*jsonrpc.Error](err)
	if want := `{"mistyped":{"quantity":"want 1 or more"}}`; !ok || no.Code != jsonrpc.CodeInvalidParams || string(no.Data) != want {
		t.Errorf("got %v, want invalid params that name the quantity", err)
	}
}
