package gateway_test

import (
	"testing"

	"github.com/journeyman-go/journeyman/gateway"
)

// Routes are few, whatever anybody asks for.
func TestRoute(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/rpc/calculator": "/rpc/{service}", "/rpc/": "", "/apps/reports/a/b": "/apps/{name}", "/tickets/x": "/tickets/{ticket}", "/openrpc/a.json": "/openrpc/{service}.json", "/metrics": "", "/hirefire/token/info": "", "/rpc/a/b": "/rpc/{service}",
		"/livez": "", "/readyz": "", "/": "", "": "", "/rpcs": "", "/wp-login.php": "",
	} {
		if got, _ := gateway.Route(path); got != want {
			t.Errorf("%q is on the route %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"/rpc/a": "/rpc/a", "/apps/reports/tickets/x": "/apps/reports/tickets/x", "/tickets/secret": "/tickets/…", "/hirefire/secret/info": "/hirefire/…", "/hirefire": "/hirefire",
	} {
		if _, got := gateway.Route(path); got != want {
			t.Errorf("%q is shown as %q, want %q", path, got, want)
		}
	}
}
