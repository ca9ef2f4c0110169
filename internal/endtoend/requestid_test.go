//go:build unix

package endtoend

import (
	"net/http"
	"strings"
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
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway.says(`listening=(http://\S+)`)+"/rpc/statistics",
		strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"mean","params":[[1,2]]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	id := reply.Header.Get("X-Request-ID")
	if reply.StatusCode != http.StatusOK || id == "" {
		t.Fatalf("the answer is %s, its id %q", reply.Status, id)
	}
	for p, line := range map[*running]string{gateway: "msg=request ", statistics: "msg=answered ", calculator: "msg=answered "} {
		p.says(line + ".* request_id=" + id)
	}
}
