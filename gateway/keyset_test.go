package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/journeyman-go/journeyman/gateway"
)

// A provider shows its keys over HTTP, or is down.
type provider struct {
	*httptest.Server
	set  atomic.Pointer[[]byte] // nil: it is down
	asks atomic.Int64
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asks.Add(1)
		set := p.set.Load()
		if set == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(*set)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) shows(t *testing.T, keys ...jose.JSONWebKey) {
	t.Helper()
	set := keySet(t, keys...)
	p.set.Store(&set)
}

// status returns how a gateway answers a token.
func status(t *testing.T, auth gateway.Authenticator, token string) int {
	t.Helper()
	return post(t, gateway.Options{Auth: auth}, "/rpc/calculator", add, header("Authorization", "Bearer "+token)).StatusCode
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

func TestProviderComesAndGoes(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	first, second := rsaKeys()[0], rsaKeys()[1]
	auth := tokens(t, gateway.TokenOptions{KeySet: p.URL + "/jwks", Issuer: issuer, Audience: audience})
	token := sign(t, jose.RS256, first, "first", claims())
	next := sign(t, jose.RS256, second, "second", claims())

	// Down from the start: nobody can tell, which is no reason to say no.
	eventually(t, "the provider to be asked", func() bool { return p.asks.Load() > 0 })
	if auth.Ready() == nil || status(t, auth, token) != http.StatusServiceUnavailable {
		t.Errorf("without keys: ready %v, status %d", auth.Ready(), status(t, auth, token))
	}
	p.shows(t, jose.JSONWebKey{Key: first, KeyID: "first"})
	eventually(t, "the keys to be read", func() bool { return auth.Ready() == nil })
	wants(t, auth, token, "")

	// Down again: what was read holds.
	p.set.Store(nil)
	wants(t, auth, token, "")
	p.Close()
	wants(t, auth, token, "")
	wants(t, auth, next, unsigned)
}

// A token that is signed with a new key has the set read again, at once.
func TestProviderChangesKeys(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	first, second := rsaKeys()[0], rsaKeys()[1]
	p.shows(t, jose.JSONWebKey{Key: first, KeyID: "first"})
	auth := tokens(t, gateway.TokenOptions{KeySet: p.URL + "/jwks", Issuer: issuer, Audience: audience})
	eventually(t, "the keys to be read", func() bool { return auth.Ready() == nil })
	wants(t, auth, sign(t, jose.RS256, first, "first", claims()), "")

	p.shows(t, jose.JSONWebKey{Key: second, KeyID: "second"})
	next := sign(t, jose.RS256, second, "second", claims())
	eventually(t, "the new key to be known", func() bool { return status(t, auth, next) == http.StatusOK })
	wants(t, auth, sign(t, jose.RS256, first, "first", claims()), unsigned)
}
