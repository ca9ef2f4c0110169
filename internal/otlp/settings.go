package otlp

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	defaultEndpoint = "http://localhost:4318"
	defaultTimeout  = 10 * time.Second
	tracesPath      = "/v1/traces"
)

// Settings say where spans go and how. Read them from the environment.
type Settings struct {
	URL     string        // may hold a password: never print it, but Where
	Header  http.Header   // added to each request; most hold a key
	Timeout time.Duration // for one batch of spans, attempts together
	Gzip    bool
}

// ReadSettings reads the variables of the OpenTelemetry specification for OTLP exporters
// ("OpenTelemetry Protocol Exporter", sdk-configuration). Each may have TRACES_ in it,
// which wins: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. An empty one counts as unset. Its error
// says what to put right.
func ReadSettings(getenv func(string) string) (s Settings, err error) {
	get := func(name string) (value, from string) {
		const prefix = "OTEL_EXPORTER_OTLP_"
		if v := strings.TrimSpace(getenv(prefix + "TRACES_" + name)); v != "" {
			return v, prefix + "TRACES_" + name
		}
		return strings.TrimSpace(getenv(prefix + name)), prefix + name
	}
	if v, from := get("PROTOCOL"); v != "" && v != "http/protobuf" {
		return s, fmt.Errorf("%s is %q, want http/protobuf, with the endpoint of an OTLP receiver over HTTP, by custom at port 4318", from, v)
	}
	endpoint, from := get("ENDPOINT")
	if endpoint == "" {
		endpoint = defaultEndpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" { // the parser's error quotes the address
		return s, fmt.Errorf("%s is no address of the form https://host:4318", from)
	}
	if !strings.Contains(from, "TRACES") { // that one is used as it is
		u.Path = strings.TrimSuffix(u.Path, "/") + tracesPath
	}
	s.URL = u.String()
	if s.Header, err = readHeader(get("HEADERS")); err != nil {
		return s, err
	}
	if s.Timeout, err = readTimeout(get("TIMEOUT")); err != nil {
		return s, err
	}
	compression, from := get("COMPRESSION")
	if s.Gzip = compression == "gzip"; !s.Gzip && compression != "" && compression != "none" {
		return s, fmt.Errorf("%s is %q, want gzip or none", from, compression)
	}
	return s, nil
}

// Where returns the address for people, without its password.
func (s Settings) Where() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// readHeader reads a list in the form of W3C Baggage: name=value,name=value, both
// percent-encoded. Errors quote nothing of it.
func readHeader(list, from string) (http.Header, error) {
	h := http.Header{}
	for member := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(member) == "" {
			continue
		}
		name, value, found := strings.Cut(member, "=")
		name, badName := url.PathUnescape(strings.TrimSpace(name))
		value, badValue := url.PathUnescape(strings.TrimSpace(value))
		if !found || name == "" || cmp.Or(badName, badValue) != nil || strings.ContainsAny(name+value, "\r\n\x00") || strings.ContainsAny(name, " :") {
			return nil, fmt.Errorf("%s cannot be read, want name=value,name=value, percent-encoded", from)
		}
		h.Set(name, value)
	}
	return h, nil
}

func readTimeout(text, from string) (time.Duration, error) {
	if text == "" {
		return defaultTimeout, nil
	}
	ms, err := strconv.Atoi(text)
	if err != nil || ms < 1 {
		return 0, fmt.Errorf("%s is %q, want milliseconds, from 1", from, text)
	}
	return time.Duration(ms) * time.Millisecond, nil
}
