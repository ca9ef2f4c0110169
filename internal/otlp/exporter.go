// Package otlp sends spans to a collector by the OpenTelemetry protocol over HTTP
// (https://opentelemetry.io/docs/specs/otlp).
//
// OpenTelemetry's own exporter is not used, because even the one for HTTP brings gRPC and its
// gateway: megabytes of every binary and of every process, traced or not. The one kind of message
// that is sent takes a page to write.
package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
)

const (
	// What is wrong with a collector is said once and then seldom: a log that is full of
	// it helps nobody.
	quiet = time.Minute

	firstPause = time.Second      // before the second attempt; each further one is twice as long
	mostReply  = 4 << 10          // bytes of a reply that are read
	idle       = 30 * time.Second // a connection is kept so long; spans go every five seconds
)

// An Exporter sends spans. Make one with New. It is a trace.SpanExporter.
type Exporter struct {
	settings Settings
	client   *http.Client
	log      *slog.Logger

	aborted context.Context // ends with Abort
	abort   context.CancelFunc

	mu    sync.Mutex
	spoke time.Time // when the log last spoke of a failure
	lost  int       // spans since then
}

var _ trace.SpanExporter = (*Exporter)(nil)

// New returns an exporter, which connects when it has something to send. It tells log of
// its failures, at most once a minute.
func New(s Settings, log *slog.Logger) *Exporter {
	e := &Exporter{settings: s, log: log}
	e.aborted, e.abort = context.WithCancel(context.Background())
	e.client = &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: 1, IdleConnTimeout: idle},
		// A redirected POST would arrive as a GET.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e
}

// ExportSpans sends spans of one resource, and tries again where the specification says so
// until Settings.Timeout is over. What cannot be sent is lost. It returns no error: the log
// has it.
func (e *Exporter) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.settings.Timeout)
	defer cancel()
	defer context.AfterFunc(e.aborted, cancel)()
	if err := e.send(ctx, e.pack(encode(spans))); err != nil {
		e.failed(len(spans), err)
	}
	return nil
}

// Shutdown has nothing to do, as ExportSpans keeps nothing.
func (e *Exporter) Shutdown(context.Context) error { return nil }

// Abort ends what is being sent, and all attempts to send from then on.
func (e *Exporter) Abort() {
	e.abort()
	e.client.CloseIdleConnections()
}

func (e *Exporter) pack(body []byte) []byte {
	if !e.settings.Gzip {
		return body
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// send makes attempts until one succeeds, one fails for good, or ctx ends.
func (e *Exporter) send(ctx context.Context, body []byte) error {
	for pause := firstPause; ; pause *= 2 {
		after, again, err := e.post(ctx, body)
		if err == nil || !again {
			return err
		}
		if after == 0 {
			after = pause/2 + rand.N(pause) // so that not all processes come at once
		}
		timer := time.NewTimer(after)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// post makes one attempt. again says whether another may help, after says when, 0 if the
// collector does not.
func (e *Exporter) post(ctx context.Context, body []byte) (after time.Duration, again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.settings.URL, bytes.NewReader(body))
	if err != nil {
		return 0, false, errors.New("the address cannot be used") // the error would show it
	}
	maps.Copy(r.Header, e.settings.Header)
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("User-Agent", "journeyman")
	if e.settings.Gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	reply, err := e.client.Do(r)
	if err != nil {
		return 0, true, withoutAddress(err)
	}
	defer reply.Body.Close()
	_, _ = io.CopyN(io.Discard, reply.Body, mostReply) // so that the connection can be used again
	if reply.StatusCode/100 == 2 {
		return 0, false, nil
	}
	err = fmt.Errorf("the collector answers %s", reply.Status)
	switch reply.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(reply.Header.Get("Retry-After"))
		return time.Duration(seconds) * time.Second, true, err
	}
	return 0, false, err
}

// withoutAddress returns the cause of an error of package http, which quotes the URL.
func withoutAddress(err error) error {
	if quoting, ok := errors.AsType[*url.Error](err); ok {
		return quoting.Err
	}
	return err
}

// failed tells the log that spans are lost.
func (e *Exporter) failed(spans int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost += spans
	if now := time.Now(); now.Sub(e.spoke) >= quiet {
		e.log.Warn("spans cannot be sent, and are lost", "to", e.settings.Where(), "spans", e.lost, "err", err)
		e.spoke, e.lost = now, 0
	}
}
