// Package calculator is the example of a service that only answers: plain
// functions, and a mux that gives them names. Nothing in it knows how it is
// reached.
package calculator

import (
	"context"
	"math"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// Codes of the errors that this service answers with, outside of the range that
// JSON-RPC reserves (-32768 to -32000).
const (
	CodeDivisionByZero = 1001 // data: the operands
	CodeOutOfRange     = 1002 // the result is beyond what a JSON number of 64 bits can hold; data: the operands
)

// Operands are the params of every method: {"a":1,"b":5.1} or [1,5.1].
type Operands struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

// New returns the service's methods.
func New() *jsonrpc.Mux {
	mux := new(jsonrpc.Mux)
	tooLarge := jsonrpc.Throws(CodeOutOfRange, "result out of range")
	mux.Handle("add", jsonrpc.Func(Add), jsonrpc.Summary("a + b"), tooLarge, jsonrpc.Public())
	mux.Handle("subtract", jsonrpc.Func(Subtract), jsonrpc.Summary("a - b"), tooLarge, jsonrpc.Public())
	mux.Handle("multiply", jsonrpc.Func(Multiply), jsonrpc.Summary("a × b"), tooLarge, jsonrpc.Public())
	mux.Handle("divide", jsonrpc.Func(Divide), jsonrpc.Summary("a ÷ b"), tooLarge,
		jsonrpc.Throws(CodeDivisionByZero, "division by zero"), jsonrpc.Public())
	return mux
}

// Add returns a + b.
func Add(_ context.Context, in Operands) (float64, error) { return in.within(in.A + in.B) }

// Subtract returns a - b.
func Subtract(_ context.Context, in Operands) (float64, error) { return in.within(in.A - in.B) }

// Multiply returns a × b.
func Multiply(_ context.Context, in Operands) (float64, error) { return in.within(in.A * in.B) }

// Divide returns a ÷ b. Dividing by zero is a CodeDivisionByZero, even of zero.
func Divide(_ context.Context, in Operands) (float64, error) {
	if in.B == 0 {
		return 0, jsonrpc.Errorf(CodeDivisionByZero, "division by zero").WithData(in)
	}
	return in.within(in.A / in.B)
}

// within refuses what JSON has no number for.
func (in Operands) within(result float64) (float64, error) {
	if math.IsInf(result, 0) {
		return 0, jsonrpc.Errorf(CodeOutOfRange, "result out of range").WithData(in)
	}
	return result, nil
}
