package transports_test

import (
	"context"
	"testing"

	"github.com/journeyman-go/journeyman/transports"
)

// A bare Caller can do nothing else, a pinging one can be asked whether there is a broker,
// and a wrapper hides what is in it.
type (
	bare    struct{}
	pinging struct{ bare }
	wrapper struct{ transports.Caller }
)

func (bare) Call(context.Context, string, transports.Message) ([]byte, error) { return nil, nil }
func (bare) Send(context.Context, string, transports.Message) error           { return nil }
func (pinging) Ping(context.Context) error                                    { return nil }
func (w wrapper) Unwrap() transports.Caller                                   { return w.Caller }

func TestAbility(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		caller transports.Caller
		want   bool
	}{
		{nil, false},
		{bare{}, false},
		{pinging{}, true},
		{wrapper{bare{}}, false},
		{wrapper{wrapper{pinging{}}}, true},
		{wrapper{nil}, false},
	} {
		p, ok := transports.Ability[transports.Pinger](tt.caller)
		if ok != tt.want || ok != (p != nil) {
			t.Errorf("%#v can be asked: %t, want %t", tt.caller, ok, tt.want)
		}
	}
}
