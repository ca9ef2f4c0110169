//go:build unix

package endtoend

import (
	"context"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/internal/otlptest"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// What a caller outside sends along.
const (
	outerTrace = "0af7651916cd43dd8448eb211c80319c"
	outerSpan  = "b7ad6b7169203331"
)

// One trace and one request id go through three processes, on each transport: a request to the
// gateway, which calls statistics, which calls the calculator.
func TestTrace(t *testing.T) {
	t.Parallel()
	onBrokers(t, testTrace)
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		testTrace(t, "JOURNEYMAN_TRANSPORT=http")
	})
}

func testTrace(t *testing.T, settings ...string) {
	t.Helper()
	c := otlptest.New(t, nil)
	a := newApp(t, append(settings, "PORT=0", "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-key=geheim", "JOURNEYMAN_LOG_LEVEL=debug")...)
	calculator := a.spawn("serve", "calculator")
	calculator.says("msg=(ready|listening)")
	statistics, web := a, a
	if slices.Contains(settings, "JOURNEYMAN_TRANSPORT=http") {
		statistics = a.with("JOURNEYMAN_SERVICES=calculator=http://" + calculator.says(`msg=listening .* address=(\S+)`))
	}
	caller := statistics.spawn("serve", "statistics")
	if statistics != a {
		web = a.with("JOURNEYMAN_SERVICES=statistics=http://" + caller.says(`msg=listening .* address=(\S+)`))
	}
	caller.says("msg=(ready|listening)")
	gateway := web.spawn("web")
	gateway.says(`msg="tracing is on" .*to=` + c.URL + `/v1/traces`)

	got := request(t, http.MethodPost, gateway.says(`listening=(http://\S+)`)+"/rpc/statistics", mean,
		"Traceparent", "00-"+outerTrace+"-"+outerSpan+"-01", "X-Request-ID", "the-routers")
	if got.code != http.StatusOK {
		t.Errorf("the gateway answered %d %s", got.code, got.body)
	}
	for _, p := range []*running{gateway, caller, calculator} { // what was not sent yet is sent now
		if code := p.stop(); code != 0 {
			t.Errorf("%q ended with %d", p.Args[1:], code)
		}
		if strings.Contains(p.log.String(), "geheim") {
			t.Errorf("%q logs a secret", p.Args[1:])
		}
		if !regexp.MustCompile("msg=(request|answered) .* request_id=the-routers trace_id=" + outerTrace).MatchString(p.log.String()) {
			t.Errorf("the log of %q does not say for which request it worked", p.Args[1:])
		}
	}
	const want = `
web SERVER POST /rpc/{service}
 web CLIENT mean
  statistics SERVER mean
   statistics CLIENT add
    calculator SERVER add
   statistics CLIENT add
    calculator SERVER add
   statistics CLIENT divide
    calculator SERVER divide
`
	if diff := cmp.Diff(want, "\n"+drawn(c.Spans(), outerSpan, "")); diff != "" {
		t.Errorf("the trace (-want +got):\n%s", diff)
	}
	for _, s := range c.Spans() {
		if s.Trace != outerTrace {
			t.Errorf("%s is part of another trace: %s", s.Name, s.Trace)
		}
	}
	if len(c.Spans()) != 9 {
		t.Errorf("%d spans came, want 9", len(c.Spans()))
	}
	if _, header, _ := c.Latest(); header.Get("X-Key") != "geheim" {
		t.Errorf("sent with %v", header)
	}
}

// drawn draws the spans below one, each with what is below it.
func drawn(all []otlptest.Span, parent, indent string) string {
	var lines []string
	for _, s := range all {
		if s.Parent == parent {
			lines = append(lines, indent+s.Service+" "+s.Kind+" "+s.Name+"\n"+drawn(all, s.ID, indent+" "))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// Where tracing is off nobody is told, and messages go as they always did, whatever
// a caller outside sends along.
func TestTraceOff(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	c := otlptest.New(t, nil)
	a := newApp(t, "JOURNEYMAN_URL="+url, "JOURNEYMAN_NAMESPACE="+namespace, "PORT=0", "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_SDK_DISABLED=true")
	gateway := a.spawn("web")
	address := gateway.says(`listening=(http://\S+)`)

	service, err := redislist.Open(redislist.Options{URL: url, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	came := make(chan map[string]string, 1)
	taking, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- service.Serve(taking, transports.Service{Name: "sleeper", Handler: func(_ context.Context, m transports.Message) transports.Outcome {
			came <- m.Header
			return transports.Outcome{Reply: []byte(`{"jsonrpc":"2.0","id":1,"result":null}`)}
		}})
	}()
	got := request(t, http.MethodPost, address+"/rpc/sleeper", `{"jsonrpc":"2.0","id":1,"method":"sleep"}`,
		"Traceparent", "00-"+outerTrace+"-"+outerSpan+"-01", "Baggage", "user=eve")
	if got.code != http.StatusOK {
		t.Fatalf("the gateway answered %d %s", got.code, got.body)
	}
	header := <-came
	for _, name := range []string{"traceparent", "tracestate", "baggage"} {
		if value, there := header[name]; there {
			t.Errorf("the message came with %s: %s", name, value)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if code := gateway.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	if _, _, n := c.Latest(); n != 0 || strings.Contains(gateway.log.String(), "tracing") {
		t.Errorf("%d requests came to the collector; the gateway says:\n%s", n, gateway.log)
	}
}

// A collector that does not answer, or settings that are wrong, keep nobody from serving,
// nor from ending.
func TestTraceInVain(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for setting, says := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + silent.Addr().String(): `level=WARN msg="spans cannot be sent, and are lost"`,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1":               `level=WARN msg="spans cannot be sent, and are lost"`,
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc":                             `level=WARN msg="tracing is off: OTEL_EXPORTER_OTLP_PROTOCOL is \\"grpc\\", want http/protobuf`,
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, "JOURNEYMAN_TRANSPORT=http", "PORT=0", "OTEL_TRACES_EXPORTER=otlp", "OTEL_BSP_SCHEDULE_DELAY=10", "OTEL_EXPORTER_OTLP_TIMEOUT=100", setting)
			service := a.spawn("serve", "calculator")
			url := "http://" + service.says(`msg=listening .* address=(\S+)`) + "/rpc/calculator"
			for range 3 {
				if code, body := post(t, url, add); code != http.StatusOK {
					t.Errorf("answered %d %s", code, body)
				}
			}
			service.says(says)
			if code := service.stop(); code != 0 {
				t.Errorf("it ended with %d", code)
			}
			if n := strings.Count(service.log.String(), "level=WARN"); n != 1 {
				t.Errorf("it warned %d times:\n%s", n, service.log)
			}
		})
	}
}
