// Package orders prices what customers want to buy. Its methods are plain
// functions; how callers reach them is decided elsewhere.
package orders

import (
	"context"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// CodeUnknownItem is the code of the error for an item that has no price; data
// names it.
const CodeUnknownItem = 1001

// Prices holds what one piece of each item costs, in cents.
type Prices map[string]int64

// A Line is the params of quote: {"item":"tea","quantity":2} or ["tea",2].
type Line struct {
	Item     string `json:"item"`
	Quantity int64  `json:"quantity"`
}

// A Quote is the result of quote.
type Quote struct {
	Cents int64 `json:"cents"`
}

// New returns the methods of the service.
func New(prices Prices) *jsonrpc.Mux {
	mux := new(jsonrpc.Mux)
	mux.Handle("quote", jsonrpc.Func(prices.Quote), jsonrpc.Public(), jsonrpc.Summary("what so many of an item cost"),
		jsonrpc.Throws(CodeUnknownItem, "unknown item"))
	return mux
}

// Quote returns what a line costs. A quantity below 1 is a CodeInvalidParams.
func (p Prices) Quote(_ context.Context, line Line) (Quote, error) {
	if line.Quantity < 1 {
		return Quote{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "Invalid params").
			WithData(jsonrpc.ParamFaults{Mistyped: map[string]string{"quantity": "want 1 or more"}})
	}
	price, ok := p[line.Item]
	if !ok {
		return Quote{}, jsonrpc.Errorf(CodeUnknownItem, "unknown item").WithData(line.Item)
	}
	return Quote{Cents: price * line.Quantity}, nil
}
