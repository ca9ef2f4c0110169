// Command shop is an app of one service and the gateway to it.
package main

import (
	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/runner"

	"example.com/shop/orders"
)

func main() {
	runner.Main(dial.Open,
		runner.RPC("orders", "prices orders", func(runner.Resources) (*jsonrpc.Mux, error) {
			return orders.New(orders.Prices{"tea": 450, "kettle": 3900}), nil
		}),
	)
}
