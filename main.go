// Command journeyman is the reference app: a calculator, a service that calls it,
// and everything that package runner brings along.
package main

import (
	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/services"
)

func main() {
	runner.Main(dial.Open, services.All()...)
}
