//go:build unix

package endtoend

import (
	"net/http"
	"testing"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// Whoever has the id of an answer finds it in the logs of all processes that worked for it,
// without tracing; TestTrace looks with it, on each transport.
func TestRequestID(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	a := newApp(t, "JOURNEYMAN_URL="+url, "JOURNEYMAN_NAMESPACE="+namespace, "PORT=0", "JOURNEYMAN_LOG_LEVEL=debug")
	calculator, statistics, gateway := a.spawn("serve", "calculator"), a.spawn("serve", "statistics"), a.spawn("web")
	calculator.says("msg=ready")
	statistics.says("msg=ready")
	got := request(t, http.MethodPost, gateway.says(`listening=(http://\S+)`)+"/rpc/statistics", mean)
	id := got.header.Get("X-Request-ID")
	if got.code != http.StatusOK || id == "" {
		t.Fatalf("the answer is %d %s, its id %q", got.code, got.body, id)
	}
	for p, line := range map[*running]string{gateway: "msg=request ", statistics: "msg=answered ", calculator: "msg=answered "} {
		p.says(line + ".* request_id=" + id)
	}
}
