// Package middleware holds what wraps the methods of a [jsonrpc.Mux], one file
// each. Recovering from panics is not among it: a Mux always does.
package middleware
