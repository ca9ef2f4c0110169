// Package statistics is the example of a service that calls another: all its
// arithmetic is done by the calculator, wherever that runs. It is slow on
// purpose, and shows that deadlines travel: the ctx of a handler bounds every
// call that the handler makes.
package statistics

import (
	"context"
	"fmt"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
)

// CodeNoValues says that there is nothing to compute from.
const CodeNoValues = 1101

// Sample is the params of every method: {"values":[1,2,3]} or [[1,2,3]].
type Sample struct {
	Values []float64 `json:"values"`
}

// calculator is the part of the other service that this one uses. client.Bind
// fills it, so that a remote call reads like a local one.
type calculator struct {
	Add      func(ctx context.Context, a, b float64) (float64, error)
	Subtract func(ctx context.Context, a, b float64) (float64, error)
	Multiply func(ctx context.Context, a, b float64) (float64, error)
	Divide   func(ctx context.Context, a, b float64) (float64, error)
}

// New returns the service's methods. to reaches the calculator.
func New(to *client.Client) (*jsonrpc.Mux, error) {
	var c calculator
	if err := to.Bind(&c); err != nil {
		return nil, fmt.Errorf("bind the calculator: %w", err)
	}
	mux := new(jsonrpc.Mux)
	empty := jsonrpc.Throws(CodeNoValues, "no values")
	mux.Handle("mean", jsonrpc.Func(c.mean), jsonrpc.Summary("the arithmetic mean"), empty, jsonrpc.Public())
	mux.Handle("variance", jsonrpc.Func(c.variance), jsonrpc.Summary("the mean of the squared distances from the mean"), empty)
	return mux, nil
}

func (c *calculator) mean(ctx context.Context, in Sample) (float64, error) {
	if len(in.Values) == 0 {
		return 0, jsonrpc.Errorf(CodeNoValues, "no values")
	}
	sum := 0.0
	for _, v := range in.Values {
		var err error
		if sum, err = c.Add(ctx, sum, v); err != nil {
			return 0, fmt.Errorf("add up: %w", err)
		}
	}
	return c.Divide(ctx, sum, float64(len(in.Values)))
}

func (c *calculator) variance(ctx context.Context, in Sample) (float64, error) {
	mean, err := c.mean(ctx, in)
	if err != nil {
		return 0, err
	}
	squares := Sample{Values: make([]float64, len(in.Values))}
	for i, v := range in.Values {
		d, err := c.Subtract(ctx, v, mean)
		if err != nil {
			return 0, fmt.Errorf("distance of %v: %w", v, err)
		}
		if squares.Values[i], err = c.Multiply(ctx, d, d); err != nil {
			return 0, fmt.Errorf("square of %v: %w", d, err)
		}
	}
	return c.mean(ctx, squares)
}
