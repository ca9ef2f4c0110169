package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A meter measures the calls that this process passes on.
type meter struct {
	registry *prometheus.Registry
	calls    *prometheus.HistogramVec
	labels   *labels
	seen     descriptions
}

// descriptions are those of what the broker tells.
type descriptions struct{ up, latency, messages, dead, workers, paused *prometheus.Desc }

func newDescriptions() descriptions {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("journeyman_"+name, help, labels, nil)
	}
	return descriptions{
		up:       describe("transport_up", "1 if the broker answered this gateway just now, 0 if not, with all that it would tell missing."),
		latency:  describe("queue_latency_seconds", "How long the message that has waited longest has done so, 0 if none waits.", "service"),
		messages: describe("queue_messages", "Messages of a service by what they wait for; those that are in_flight are with a worker.", "service", "state"),
		dead:     describe("dead_letters", "Messages that were given up and are kept until somebody retries or deletes them.", "service"),
		workers:  describe("workers", "Live processes that take from the queue.", "service"),
		paused:   describe("queue_paused", "1 while the workers of a service are told to take nothing.", "service"),
	}
}

func newMeter(version string, services []string) *meter {
	m := &meter{registry: prometheus.NewRegistry(), labels: newLabels(services), seen: newDescriptions()}
	// The names, unit and buckets are OpenTelemetry's for rpc.server.call.duration, as its
	// exporters write them for Prometheus. The service, for which OpenTelemetry has no
	// attribute any more, is labelled as in the other metrics. error.type would only
	// repeat the code.
	m.calls = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:        "rpc_server_call_duration_seconds",
		Help:        "How long calls through this gateway took, by service, method and code of the error, if it ended in one.",
		ConstLabels: prometheus.Labels{"rpc_system_name": "jsonrpc"},
		Buckets:     []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10},
	}, []string{"service", "rpc_method", "rpc_response_status_code"})
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "journeyman_build_info",
		Help:        "The version of this gateway; the value is always 1.",
		ConstLabels: prometheus.Labels{"version": cmp.Or(version, "unknown"), "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	m.registry.MustRegister(m.calls, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observe counts one request that was passed on: reply and err are what came of it, and
// both are nil for a notification that was taken. method is empty for a batch. The log is to
// say in which code it ended.
func (g *gateway) observe(r *http.Request, service, method string, reply []byte, err error, took time.Duration) {
	code := codeOf(reply, err)
	if reply != nil && err == nil {
		g.meter.labels.answered(service, method, code)
	}
	if code != "" {
		note(r, "code", code)
	}
	service, method, code = g.meter.labels.of(service, method, code)
	g.meter.calls.WithLabelValues(service, method, code).Observe(took.Seconds())
}

// codeOf returns the code of the error in which a request ended, or "". A batch that was
// answered has none.
func codeOf(reply []byte, err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled" // the caller has gone
	case err != nil:
		_, refusal := explain(err, "")
		return strconv.Itoa(refusal.Code)
	case !bytes.Contains(reply, []byte(`"error"`)): // results can be megabytes, and are good news
		return ""
	}
	r, err := jsonrpc.DecodeReply(reply)
	if err != nil || r.Error == nil {
		return ""
	}
	return strconv.Itoa(r.Error.Code)
}

// metrics answers in the formats of Prometheus.
func (g *gateway) metrics(w http.ResponseWriter, r *http.Request) {
	if !g.operator(w, r) {
		return
	}
	s := g.look(r)
	for _, of := range s.services {
		g.meter.labels.announced(of)
	}
	seen := prometheus.NewRegistry()
	seen.MustRegister(view{s, g})
	promhttp.HandlerFor(prometheus.Gatherers{g.meter.registry, seen}, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(g.Log.Handler(), slog.LevelWarn),
	}).ServeHTTP(w, r)
}

// A view shows a sight as metrics. What the broker cannot tell is left out: a zero would
// say that all is well.
type view struct {
	sight
	g *gateway
}

// Describe implements prometheus.Collector.
func (v view) Describe(into chan<- *prometheus.Desc) {
	d := v.g.meter.seen
	for _, d := range []*prometheus.Desc{d.up, d.latency, d.messages, d.dead, d.workers, d.paused} {
		into <- d
	}
}

// Collect implements prometheus.Collector.
func (v view) Collect(into chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		into <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	count := func(d *prometheus.Desc, n *int64, labels ...string) {
		if n != nil {
			gauge(d, float64(*n), labels...)
		}
	}
	d := v.g.meter.seen
	if !errors.Is(v.err, transports.ErrUnsupported) {
		gauge(d.up, one(v.err == nil))
	}
	for _, s := range v.services {
		if seconds := v.latency(s); seconds != nil {
			gauge(d.latency, *seconds, s.Name)
		}
		count(d.messages, s.Waiting, s.Name, "waiting")
		count(d.messages, s.InFlight, s.Name, "in_flight")
		count(d.messages, s.Delayed, s.Name, "delayed")
		count(d.messages, s.Retries, s.Name, "retries")
		count(d.messages, s.Suspects, s.Name, "suspects")
		count(d.dead, s.Dead, s.Name)
		count(d.workers, s.Consumers, s.Name)
		if paused := v.g.paused(s); paused != nil {
			gauge(d.paused, one(*paused), s.Name)
		}
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
