// Package otlptest is a collector of spans for tests. It reads what it is sent with
// OpenTelemetry's own decoder.
package otlptest

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// patience is how long a test waits for spans that will come.
const patience = time.Minute

// A Span is what a test looks at. Ids are hexadecimal, and attributes are as fmt prints them.
type Span struct {
	Service       string // service.name of its resource
	Resource      map[string]string
	Name, Kind    string
	Trace, ID     string
	Parent        string   // "": none
	Links         []string // trace and span, with a hyphen between them
	Attributes    map[string]string
	Status, State string // UNSET, OK or ERROR, and the description
	Took          time.Duration
}

// A Collector keeps what it is sent.
type Collector struct {
	URL string // without a path

	mu       sync.Mutex
	requests int
	spans    []Span
	header   http.Header // of the latest request
	path     string      // of the latest request
	raw      []*trace.TracesData
	more     chan struct{} // replaced when there is more
}

// New starts a collector that ends with the test. answer, if it is not nil, may answer a
// request in the collector's place, which it does by returning true.
func New(tb testing.TB, answer func(http.ResponseWriter) bool) *Collector {
	tb.Helper()
	c := &Collector{more: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r, func() bool { return answer != nil && answer(w) }); err != nil {
			tb.Errorf("collector: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	tb.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

func (c *Collector) take(r *http.Request, answered func() bool) error {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	// An ExportTraceServiceRequest has the same one field; its package would bring gRPC.
	var data trace.TracesData
	if err := proto.Unmarshal(text, &data); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	c.header, c.path = r.Header.Clone(), r.URL.Path
	if !answered() {
		c.raw = append(c.raw, &data)
		c.spans = append(c.spans, spans(&data)...)
	}
	close(c.more)
	c.more = make(chan struct{})
	return nil
}

// Latest returns the path and the header of the latest request, and how many there were.
func (c *Collector) Latest() (path string, header http.Header, requests int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path, c.header, c.requests
}

// Raw returns what was sent, as it was decoded.
func (c *Collector) Raw() []*trace.TracesData {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw
}

// Spans returns those that have come.
func (c *Collector) Spans() []Span {
	spans, _ := c.now()
	return spans
}

func (c *Collector) now() (spans []Span, more <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...), c.more
}

// Await waits until enough says so of the spans that have come, and returns them.
func (c *Collector) Await(tb testing.TB, enough func([]Span) bool) []Span {
	tb.Helper()
	deadline := time.After(patience)
	for {
		spans, more := c.now()
		if enough(spans) {
			return spans
		}
		select {
		case <-more:
		case <-deadline:
			tb.Fatalf("waited %v for more spans than %+v", patience, spans)
		}
	}
}

func spans(data *trace.TracesData) (all []Span) {
	for _, r := range data.GetResourceSpans() {
		resource := attributes(r.GetResource().GetAttributes())
		for _, scope := range r.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				one := Span{
					Service: resource["service.name"], Resource: resource, Name: s.GetName(), Kind: s.GetKind().String()[len("SPAN_KIND_"):],
					Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
					Attributes: attributes(s.GetAttributes()),
					Status:     s.GetStatus().GetCode().String()[len("STATUS_CODE_"):], State: s.GetStatus().GetMessage(),
					Took: time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano()), //nolint:gosec // what a span takes is short
				}
				for _, l := range s.GetLinks() {
					one.Links = append(one.Links, hex.EncodeToString(l.GetTraceId())+"-"+hex.EncodeToString(l.GetSpanId()))
				}
				all = append(all, one)
			}
		}
	}
	return all
}

func attributes(list []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range list {
		all[a.GetKey()] = value(a.GetValue())
	}
	return all
}

func value(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_DoubleValue:
		return fmt.Sprint(v.DoubleValue)
	}
	return v.String()
}
