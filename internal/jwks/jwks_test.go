package jwks

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"https://id.example/jwks":       "",
		"http://localhost:8080/jwks":    "",
		"http://127.0.0.1/jwks":         "",
		"http://[::1]:1/jwks":           "",
		"keys/jwks.json":                "",
		"http://id.example/jwks":        "https://",
		"http://localhost.evil.example": "https://",
		"ftp://id.example/jwks":         "https://, or a file",
		"https://":                      "no URL",
		"https://u:p@id.example/jwks":   "user or a password",
		"https://id.example/%zz":        "no URL",
	} {
		err := Check(source)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

// public returns the public half of a new key.
func public(t *testing.T, id string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: id})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func ids(keys []jose.JSONWebKey) (all []string) {
	for _, k := range keys {
		all = append(all, k.KeyID)
	}
	return all
}

// A set may hold what its reader cannot use, and what it must not.
func TestParse(t *testing.T) {
	t.Parallel()
	good := public(t, "good")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaked, err := json.Marshal(jose.JSONWebKey{Key: private, KeyID: "leaked"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text string
		want []string
		left int
		err  string
	}{
		"good":                        {set(good, public(t, "second")), []string{"good", "second"}, 0, ""},
		"of another kind":             {set(`{"kty":"XYZ","kid":"x"}`, good, `{}`, `7`), []string{"good"}, 3, ""},
		"a secret":                    {set(`{"kty":"oct","k":"c2VjcmV0","kid":"s"}`, good), []string{"good"}, 1, ""},
		"for encryption":              {set(strings.Replace(good, `{`, `{"use":"enc",`, 1), public(t, "b")), []string{"b"}, 1, ""},
		"a short RSA key":             {set(`{"kty":"RSA","e":"AQAB","n":"`+strings.Repeat("_", 170)+`","kid":"short"}`, good), []string{"good"}, 1, ""},
		"a private key by mistake":    {set(string(leaked)), []string{"leaked"}, 0, ""},
		"none":                        {set(), nil, 0, "holds no key"},
		"none of use":                 {set(`{"kty":"oct","k":"c2VjcmV0","kid":"s"}`), nil, 0, "no public key"},
		"a page":                      {"<html>", nil, 0, "no key set"},
		"another document":            {`{"issuer":"https://id.example"}`, nil, 0, "holds no key"},
		"a point that is on no curve": {set(`{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","kid":"e"}`, good), []string{"good"}, 1, ""},
	} {
		keys, left, err := parse([]byte(tt.text))
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", name, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, ids(keys)); diff != "" || len(left) != tt.left {
			t.Errorf("%s: left out %v; (-want +got):\n%s", name, left, diff)
		}
		for _, k := range keys {
			if !k.IsPublic() {
				t.Errorf("%s: the key %s is none that is public", name, k.KeyID)
			}
		}
	}
}

// A provider answers without a network, so that time can be that of the test.
type provider struct {
	mu   sync.Mutex
	text string // or what it does
	asks []time.Duration
	from time.Time
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.asks = append(p.asks, time.Since(p.from).Round(time.Second))
	status, text := http.StatusOK, p.text
	p.mu.Unlock()
	switch text {
	case "":
		return nil, errors.New("connection refused")
	case "hangs":
		<-r.Context().Done()
		return nil, r.Context().Err()
	case "moved":
		status = http.StatusFound
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Location": {"http://evil.example/jwks"}},
		Body: io.NopCloser(strings.NewReader(text)), Request: r,
	}, nil
}

func (p *provider) says(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// asked returns when it was asked since the last time.
func (p *provider) asked() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	asks := p.asks
	p.asks, p.from = nil, time.Now()
	return asks
}

// run opens a set of the provider's and runs it for as long as the test lasts.
func run(t *testing.T, p *provider, log *slog.Logger) *Set {
	t.Helper()
	s, err := Open("https://id.example/jwks", log)
	if err != nil {
		t.Fatal(err)
	}
	s.client.Transport = p
	p.from = time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { cancel(); wait.Wait() })
	synctest.Wait()
	return s
}

func TestOutage(t *testing.T) {
	t.Parallel()
	a := public(t, "a")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := &provider{}
		s := run(t, p, slog.New(slog.NewTextHandler(&log, nil)))
		if _, err := s.find("a"); !errors.Is(s.Ready(), ErrNone) || !errors.Is(err, ErrNone) {
			t.Errorf("before it was read: %v, %v", s.Ready(), err)
		}
		time.Sleep(10 * time.Minute)
		if n := len(p.asked()); n < 10 || n > 40 {
			t.Errorf("in ten minutes it was asked %d times, want about once a minute", n)
		}
		p.says(set(a))
		time.Sleep(lastRetry)
		if s.Ready() != nil {
			t.Errorf("a minute after the provider is back: %v", s.Ready())
		}
		for _, text := range []string{"", "<html>", "moved", set(a) + strings.Repeat(" ", maxSize), set()} { // all of them no set
			p.says(text)
			time.Sleep(2 * fresh)
			if keys, err := s.Find(t.Context(), "a"); len(keys) != 1 || err != nil || s.Ready() != nil {
				t.Errorf("while it says %.10q: %v, %v", text, ids(keys), err)
			}
		}
		p.says(set(a))
		time.Sleep(time.Hour)
		synctest.Wait()
		got := strings.Count(log.String(), "level=WARN") + 10*strings.Count(log.String(), "read again")
		if got != 2+20 {
			t.Errorf("the log should tell of two outages, once each, and their ends:\n%s", log.String())
		}
	})
}

func TestKeysChange(t *testing.T) {
	t.Parallel()
	a, b, c := public(t, "a"), public(t, "b"), public(t, "c")
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		p.says(set(a))
		s := run(t, p, slog.New(slog.DiscardHandler))
		find := func(id string) string {
			keys, err := s.Find(t.Context(), id)
			if err != nil {
				t.Error(err)
			}
			return strings.Join(ids(keys), " ")
		}
		time.Sleep(time.Minute)
		p.says(set(a, b))
		p.asked()
		if got := find("b"); got != "b" {
			t.Errorf("a new key that was asked for is %q", got)
		}
		p.says(set(b, c))
		for range 100 { // which anybody can cause
			if got := find("c"); got != "" {
				t.Fatalf("it was fetched again at once: %q", got)
			}
		}
		if diff := cmp.Diff([]time.Duration{0}, p.asked()); diff != "" {
			t.Errorf("asked at (-want +got):\n%s", diff)
		}
		time.Sleep(urgent)
		if got := find("c"); got != "c" {
			t.Errorf("later it is %q", got)
		}
		if got := find("a"); got != "" {
			t.Errorf("what was withdrawn is %q", got)
		}
		if got := find(""); got != "b c" {
			t.Errorf("all are %q", got)
		}
		p.says(set(a))
		p.asked()
		time.Sleep(fresh + time.Second)
		if got := find("a"); got != "a" {
			t.Errorf("without being asked for it is %q", got)
		}
		if diff := cmp.Diff([]time.Duration{fresh}, p.asked()); diff != "" {
			t.Errorf("asked at (-want +got):\n%s", diff)
		}
	})
}

// A provider that does not answer holds nobody up for long.
func TestProviderHangs(t *testing.T) {
	t.Parallel()
	a := public(t, "a")
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		p.says(set(a))
		s := run(t, p, slog.New(slog.DiscardHandler))
		time.Sleep(time.Minute)
		p.says("hangs")
		began := time.Now()
		keys, err := s.Find(t.Context(), "b")
		if len(keys) > 0 || err != nil || time.Since(began) != patience {
			t.Errorf("after %v: %v, %v", time.Since(began), ids(keys), err)
		}
		if keys, _ := s.Find(t.Context(), "a"); len(keys) != 1 {
			t.Error("what is known is not found meanwhile")
		}
	})
}

func TestFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jwks.json")
	log := slog.New(slog.DiscardHandler)
	if _, err := Open(path, log); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("{")
	if _, err := Open(path, log); err == nil || !strings.Contains(err.Error(), "no key set") {
		t.Errorf("a file that is none: %v", err)
	}
	write(set(public(t, "a")))
	s, err := Open(path, log)
	if err != nil || s.Ready() != nil {
		t.Fatalf("%v, %v", err, s.Ready())
	}
	write(set(public(t, "b")))
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { s.Run(ctx) })
	for deadline := time.Now().Add(time.Minute); ; {
		if keys, err := s.find("b"); len(keys) == 1 && err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the file is not read again")
		}
		time.Sleep(time.Millisecond) // between two looks
	}
	cancel()
	wait.Wait()
}
