package tracing

import (
	"net"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	conventions "go.opentelemetry.io/otel/semconv/v1.43.0"
	api "go.opentelemetry.io/otel/trace"
)

// Handler returns a handler that makes a span of each request whose route is of interest,
// as a child of the caller's where that sends one. route returns the route that a path is
// on, such as /rpc/{service}, and the path as spans may have it; "" makes no span. A nil
// Tracing returns next itself.
func (t *Tracing) Handler(next http.Handler, route func(path string) (on, shown string)) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		on, shown := route(r.URL.Path)
		if on == "" {
			next.ServeHTTP(w, r)
			return
		}
		ctx := t.fromWorld.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		name, attrs := request(r, on, shown)
		ctx, span := t.tracer.Start(ctx, name, api.WithSpanKind(api.SpanKindServer), api.WithAttributes(attrs...))
		defer span.End()
		told := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(told, r.WithContext(ctx))
		status := told.status
		if status == 0 {
			status = http.StatusOK
		}
		span.SetAttributes(conventions.HTTPResponseStatusCode(status))
		if status >= http.StatusInternalServerError {
			span.SetAttributes(conventions.ErrorTypeKey.String(strconv.Itoa(status)))
			span.SetStatus(codes.Error, "")
		}
	})
}

// request returns the name of a request's span and its attributes. Neither the query nor any
// header but the browser's name is among them: keys travel there.
func request(r *http.Request, route, path string) (name string, attrs []attribute.KeyValue) {
	method := r.Method
	switch method {
	case "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE": // those that the conventions know
	default:
		attrs = append(attrs, conventions.HTTPRequestMethodOriginal(brief(method)))
		method = other
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" { // routers of platforms end TLS
		scheme = "https"
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	attrs = append(attrs,
		conventions.HTTPRequestMethodKey.String(method), conventions.HTTPRoute(route),
		conventions.URLPath(brief(path)), conventions.URLScheme(scheme), conventions.ServerAddress(host),
	)
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, conventions.UserAgentOriginal(brief(agent)))
	}
	if method == other {
		method = "HTTP" // so the conventions have it
	}
	return method + " " + route, attrs
}

// A statusWriter remembers the status. What else a ResponseWriter can do, it does by
// http.ResponseController, which asks for Unwrap.
type statusWriter struct {
	http.ResponseWriter
	status int // 0: none has been written
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status < http.StatusOK { // what begins with 1 is followed by another
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
