package httprpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

// A ping asks whether anything answers, an examination what is wrong with each address.
func TestExamine(t *testing.T) {
	t.Parallel()
	s := newSite()
	p := s.start(t, Options{Keys: []string{"key"}}, nil)
	serve(t, p, transports.Service{Name: "calculator", Handler: echo})
	base := "http://" + p.at()
	moved := httptest.NewServer(http.RedirectHandler("https://new.test/", http.StatusMovedPermanently))
	defer moved.Close()
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusMethodNotAllowed)
	}))
	defer late.Close()
	services := map[string]string{
		"calculator": base, "elsewhere": base, "moved": moved.URL, "page": page.URL, "late": late.URL, "down": "http://127.0.0.1:1",
	}
	tr, err := Open(Options{Services: services, Keys: []string{"key"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	findings, err := tr.Examine(patient(t), transports.Plan{Services: []string{"calculator", "orders"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]transports.Grade{}
	for _, f := range findings {
		got[f.Subject] = f.Grade
		if f.Found == "" || !strings.HasSuffix(f.Found, ".") || (f.Advice == "") != (f.Grade == transports.Fine) {
			t.Errorf("finding %+v: want a sentence, and advice where something is wrong", f)
		}
	}
	want := map[string]transports.Grade{
		"keys": transports.Fine, "orders": transports.Warning, "calculator": transports.Fine, "elsewhere": transports.Trouble,
		"moved": transports.Trouble, "page": transports.Trouble, "late": transports.Fine, "late: clock": transports.Warning, "down": transports.Trouble,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%+v", diff, findings)
	}
	for subject, want := range map[string]string{"moved": "new.test", "elsewhere": "served here: calculator", "late: clock": "1h0m", "down": "http://127.0.0.1:1 cannot be reached: connect: connection refused"} {
		for _, f := range findings {
			if f.Subject == subject && !strings.Contains(f.Found, want) {
				t.Errorf("%s: found %q, want %q in it", subject, f.Found, want)
			}
		}
	}
	if err := tr.Ping(patient(t)); err != nil {
		t.Errorf("Ping, with one service up: %v", err)
	}
}

// The key that is set decides, and where it goes.
func TestExamineKeys(t *testing.T) {
	t.Parallel()
	p := newSite().start(t, Options{Keys: []string{"key"}}, nil)
	serve(t, p, transports.Service{Name: "calculator", Handler: echo})
	for name, c := range map[string]struct {
		base  string
		keys  []string
		grade transports.Grade
		says  string
	}{
		"wrong key":       {"http://" + p.at(), []string{"hunter2"}, transports.Trouble, "401"},
		"here without":    {"http://127.0.0.1:1", nil, transports.Fine, "this machine"},
		"away without":    {"https://192.0.2.1", nil, transports.Warning, "whoever reaches"},
		"away in clear":   {"http://192.0.2.1", []string{"hunter2"}, transports.Warning, "without TLS"},
		"away and secure": {"https://192.0.2.1", []string{"hunter2"}, transports.Fine, "set"},
	} {
		tr := caller(t, c.base, func(o *Options) { o.Keys = c.keys })
		findings := tr.examineKeys([]string{"calculator"})
		if c.grade == transports.Trouble {
			findings = tr.examine(patient(t), "calculator")
		}
		f := findings[0]
		if f.Grade != c.grade || !strings.Contains(f.Found, c.says) || strings.Contains(f.Found+f.Advice, "hunter2") {
			t.Errorf("%s: %+v, want %s and %q", name, f, c.grade, c.says)
		}
	}
	tr, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	findings, err := tr.Examine(patient(t), transports.Plan{})
	if err != nil || len(findings) != 1 || findings[0].Grade != transports.Trouble {
		t.Errorf("without any address: %+v, error %v", findings, err)
	}
	if err := tr.Ping(patient(t)); err != nil {
		t.Errorf("Ping without any address: %v", err)
	}
}

func TestAfterClose(t *testing.T) {
	t.Parallel()
	tr := caller(t, "http://127.0.0.1:1", nil)
	tr.Close()
	_, services := tr.Services(patient(t))
	_, examine := tr.Examine(patient(t), transports.Plan{})
	for what, err := range map[string]error{"Ping": tr.Ping(patient(t)), "Services": services, "Examine": examine} {
		if !errors.Is(err, transports.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", what, err)
		}
	}
}

// Over TLS connections are used again as well; a certificate that is not trusted is a refusal.
func TestTLS(t *testing.T) {
	t.Parallel()
	var connections int
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	inner := quick()
	inner.roots = roots
	dial := inner.dial
	inner.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		connections++
		return dial(ctx, network, address)
	}
	tr, err := open(Options{Services: map[string]string{"calculator": server.URL}, Log: slog.New(slog.DiscardHandler)}, inner)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for _, body := range []string{"small", strings.Repeat("large", 1<<18)} {
		for range 5 {
			if got, err := call(t, tr, transports.Message{Body: []byte(body)}); got != body {
				t.Fatalf("Call returned %.20q and error %v", got, err)
			}
		}
	}
	if connections != 1 {
		t.Errorf("10 calls took %d connections", connections)
	}
	found := tr.examine(patient(t), "calculator")
	if len(found) == 0 || found[0].Grade != transports.Trouble { // 200 to GET: none of ours
		t.Errorf("found %+v", found)
	}

	stranger := caller(t, server.URL, nil)
	_, err = call(t, stranger, transports.Message{})
	_, refused := errors.AsType[*transports.RefusedError](err)
	if !refused || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an untrusted certificate: %v", err)
	}
	plain := caller(t, "https"+strings.TrimPrefix(newEchoPeer(t), "http"), nil)
	if _, err = call(t, plain, transports.Message{}); !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("TLS to a server that speaks none: %v", err)
	}
}

// newEchoPeer returns the address of a server without TLS.
func newEchoPeer(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return server.URL
}

func TestCertificateIsOld(t *testing.T) {
	t.Parallel()
	if f := certificateOf("calculator", time.Now().Add(24*time.Hour)); len(f) != 1 || f[0].Grade != transports.Warning {
		t.Errorf("a certificate that expires tomorrow: %+v", f)
	}
	if f := certificateOf("calculator", time.Now().Add(60*24*time.Hour)); len(f) != 0 {
		t.Errorf("a certificate of two months: %+v", f)
	}
	if err := explainTLS(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}); !strings.Contains(err.Error(), "http://") {
		t.Errorf("no TLS there: %v", err)
	}
}
