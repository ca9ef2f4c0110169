// Command app is the app that the fault bench starts, stops and kills: a user's
// app like any other, whose one service writes down what it does.
package main

import (
	"github.com/journeyman-go/journeyman/dial"
	"github.com/journeyman-go/journeyman/runner"
)

func main() {
	runner.Main(dial.Open, runner.RPC("work", "does what the fault bench asks of it", newWork))
}
