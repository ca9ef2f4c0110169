package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// samples returns what an exposition holds, value by series, of names with the prefix.
func samples(text, prefix string) map[string]string {
	found := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if at := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, prefix) && at > 0 {
			found[line[:at]] = line[at+1:]
		}
	}
	return found
}

func journeymen(text string) map[string]string {
	all := samples(text, "journeyman_")
	for name := range all {
		if strings.HasPrefix(name, "journeyman_build_info{") {
			all["journeyman_build_info"] = all[name]
			delete(all, name)
		}
	}
	return all
}

func TestMetricsOfServices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &broker{caller: newCaller(), tells: []transports.ServiceStatus{busy()}}
		text := open(t, gateway.Options{Caller: pauser{b}, Services: []string{"idle"}, Version: `v1"2`}).get("/metrics")
		want := map[string]string{
			"journeyman_build_info":                                             "1",
			"journeyman_transport_up":                                           "1",
			`journeyman_queue_latency_seconds{service="calculator"}`:            "1.2",
			`journeyman_queue_latency_seconds{service="idle"}`:                  "0",
			`journeyman_queue_messages{service="calculator",state="waiting"}`:   "3",
			`journeyman_queue_messages{service="calculator",state="in_flight"}`: "2",
			`journeyman_queue_messages{service="calculator",state="delayed"}`:   "5",
			`journeyman_queue_messages{service="calculator",state="retries"}`:   "7",
			`journeyman_queue_messages{service="calculator",state="suspects"}`:  "1",
			`journeyman_queue_messages{service="idle",state="waiting"}`:         "0",
			`journeyman_dead_letters{service="calculator"}`:                     "11",
			`journeyman_workers{service="calculator"}`:                          "2",
			`journeyman_workers{service="idle"}`:                                "0",
			`journeyman_queue_paused{service="calculator"}`:                     "1",
			`journeyman_queue_paused{service="idle"}`:                           "0",
		}
		if diff := cmp.Diff(want, journeymen(text)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		for _, want := range []string{`version="v1\"2"`, "\ngo_goroutines ", "\nprocess_start_time_seconds "} {
			if !strings.Contains(text, want) {
				t.Errorf("there is no %s", want)
			}
		}

		b = &broker{caller: newCaller(), tells: []transports.ServiceStatus{quiescent()}}
		want = map[string]string{
			"journeyman_build_info":   "1",
			"journeyman_transport_up": "1",
			`journeyman_queue_messages{service="statistics",state="waiting"}`:  "4",
			`journeyman_queue_messages{service="statistics",state="suspects"}`: "0",
			`journeyman_dead_letters{service="statistics"}`:                    "0",
			`journeyman_workers{service="statistics"}`:                         "1",
		}
		if diff := cmp.Diff(want, journeymen(open(t, gateway.Options{Caller: b}).get("/metrics"))); diff != "" {
			t.Errorf("what the broker cannot tell (-want +got):\n%s", diff)
		}
	})
}

// Where nobody can look at services, this process is measured all the same.
func TestMetricsWithoutInspector(t *testing.T) {
	t.Parallel()
	h := open(t, gateway.Options{})
	if diff := cmp.Diff(map[string]string{"journeyman_build_info": "1"}, journeymen(h.get("/metrics"))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMetricsPassTheLinter(t *testing.T) {
	t.Parallel()
	b := &broker{caller: newCaller(), tells: []transports.ServiceStatus{busy()}}
	h := open(t, gateway.Options{Caller: pauser{b}})
	h.ask(http.MethodPost, "/rpc/calculator", add)
	problems, err := promlint.New(strings.NewReader(h.get("/metrics"))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// counted returns how many calls were measured, by labels.
func (h house) counted() map[string]string {
	h.Helper()
	return samples(h.get("/metrics"), "rpc_server_call_duration_seconds_count")
}

func series(service, method, code string) string {
	return fmt.Sprintf(`rpc_server_call_duration_seconds_count{rpc_method="%s",rpc_response_status_code="%s",rpc_system_name="jsonrpc",service="%s"}`, method, code, service)
}

func TestMetricsOfCalls(t *testing.T) {
	t.Parallel()
	c := newCaller()
	c.mux.Handle("refuse", jsonrpc.Func(func(context.Context, []any) (any, error) { return nil, jsonrpc.Errorf(7, "no") }))
	// A result in which the word stands is no error.
	c.mux.Handle("report", jsonrpc.Func(func(context.Context, []any) (any, error) {
		return map[string]any{"error": map[string]int{"code": 3}}, nil
	}))
	h := open(t, gateway.Options{Caller: &broker{caller: c, tells: []transports.ServiceStatus{busy()}}, Services: []string{"statistics"}})
	call := func(path, method string) {
		h.ask(http.MethodPost, path, `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":[1,2]}`)
	}
	notify := func(path, method string) {
		h.ask(http.MethodPost, path, `{"jsonrpc":"2.0","method":"`+method+`"}`)
	}
	call("/rpc/calculator", "add")
	call("/rpc/calculator", "add")
	call("/rpc/calculator", "refuse")
	call("/rpc/calculator", "report")
	call("/rpc/calculator", "nothere")
	h.ask(http.MethodPost, "/rpc/calculator", "["+add+"]")
	notify("/rpc/calculator", "divide") // of which nobody has heard yet
	h.get("/metrics")                   // now it is announced
	notify("/rpc/calculator", "divide")
	notify("/rpc/calculator", "madeup")
	c.err = transports.ErrBusy
	call("/rpc/statistics", "mean")
	c.err = fmt.Errorf("call: %w", transports.ErrNoService)
	call("/rpc/elsewhere", "mean")
	call("/rpc/web", "mean")
	c.err = context.Canceled
	call("/rpc/calculator", "add")
	want := map[string]string{
		series("calculator", "add", ""):          "2",
		series("calculator", "add", "canceled"):  "1",
		series("calculator", "refuse", "7"):      "1",
		series("calculator", "report", ""):       "1",
		series("calculator", "_OTHER", "-32601"): "1",
		series("calculator", "", ""):             "1", // the batch
		series("calculator", "_OTHER", ""):       "2",
		series("calculator", "divide", ""):       "1",
		series("statistics", "_OTHER", "-32014"): "1",
		series("_OTHER", "_OTHER", "-32012"):     "2",
	}
	if diff := cmp.Diff(want, h.counted()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Names from outside are kept by nobody, and those of a service that answers to any name
// not without end.
func TestMetricsStayFew(t *testing.T) {
	t.Parallel()
	const many = 1100
	h := open(t, gateway.Options{})
	for i := range many {
		h.ask(http.MethodPost, fmt.Sprintf("/rpc/%c%c%c", 'a'+i/676%26, 'a'+i/26%26, 'a'+i%26), fmt.Sprintf(`{"jsonrpc":"2.0","method":"m%d"}`, i))
		h.ask(http.MethodPost, "/rpc/calculator", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"m%d"}`, i))
	}
	want := map[string]string{series("_OTHER", "_OTHER", ""): fmt.Sprint(many), series("calculator", "_OTHER", "-32601"): fmt.Sprint(many)}
	if diff := cmp.Diff(want, h.counted()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	for _, code := range []int{0, 1} {
		c := replying("")
		h = open(t, gateway.Options{Caller: c})
		for i := range many {
			c.sent[0] = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"error":{"code":%d,"message":"no"}}`, code*i)
			h.ask(http.MethodPost, "/rpc/calculator", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"m%d"}`, (1-code)*i))
		}
		counted := h.counted()
		if n := len(counted); n < 900 || n > 1001 {
			t.Errorf("there are %d series", n)
		}
	}
}
