// Package services lists what this binary can serve. A new service gets a folder
// beside this file and a line in All.
package services

import (
	"net/http"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/services/calculator"
	"github.com/journeyman-go/journeyman/services/reports"
	"github.com/journeyman-go/journeyman/services/statistics"
)

// All returns the programs of the reference app, in the order of its Procfile.
func All() []runner.Program {
	return []runner.Program{
		runner.RPC("calculator", "adds, subtracts, multiplies and divides", func(runner.Resources) (*jsonrpc.Mux, error) {
			return calculator.New(), nil
		}),
		runner.RPC("statistics", "means and variances, computed by the calculator", func(r runner.Resources) (*jsonrpc.Mux, error) {
			return statistics.New(r.Client("calculator"))
		}),
		runner.HTTP("reports", "a web app, found at /apps/reports/ of the gateway", func(r runner.Resources) (http.Handler, error) {
			return reports.New(r.Client("statistics")), nil
		}),
	}
}
