package reports_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/services/reports"
	"github.com/journeyman-go/journeyman/transports"
)

// statistics plays the other service: it has this error, or a mean.
type statistics struct{ err error }

func (s statistics) Call(ctx context.Context, _ string, m transports.Message) ([]byte, error) {
	mux := new(jsonrpc.Mux)
	mux.Handle("mean", jsonrpc.Func(func(_ context.Context, in struct {
		Values []float64 `json:"values"`
	}) (float64, error) {
		return (in.Values[0] + in.Values[1]) / 2, s.err
	}))
	return mux.Answer(ctx, m.Body).Reply, nil
}

func (statistics) Send(context.Context, string, transports.Message) error { return nil }

func do(t *testing.T, s statistics, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	reports.New(client.New(s, "statistics")).ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	t.Parallel()
	fine, none := statistics{}, statistics{jsonrpc.Errorf(1101, "no values")}
	for _, tc := range []struct {
		name, path string
		statistics statistics
		status     int
		contains   string
	}{
		{"form", "/", fine, 200, `<form method="post">`},
		{"report", "/report?values=1+4", fine, 200, `The mean of 2 values is <output>2.5</output>`},
		{"its file", "/report?values=1+4", fine, 200, `<a href="report.csv?values=1%204">`},
		{"no number", "/report?values=1+x", fine, 400, `"x" is no number`},
		{"no mean", "/report?values=1+4", none, 502, "no values"},
		{"elsewhere", "/elsewhere", fine, 404, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := do(t, tc.statistics, httptest.NewRequestWithContext(t.Context(), http.MethodGet, tc.path, nil))
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.contains) {
				t.Errorf("%d %s\nwant %d with %s", w.Code, w.Body, tc.status, tc.contains)
			}
		})
	}
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(url.Values{"values": {"1 4"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := do(t, statistics{}, r)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/report?values=1+4" {
		t.Errorf("%d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	w := do(t, statistics{}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/report.csv?values=1+4", nil))
	if diff := cmp.Diff("1,1\r\n2,4\r\nmean,2.5\r\n", w.Body.String()); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="report.csv"` {
		t.Errorf("disposition %q", got)
	}
}
