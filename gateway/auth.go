package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/jsonrpc"
)

// authenticate finds out who sends a request. who is nil where nobody is asked. If ok is
// false, it has answered.
func (g *gateway) authenticate(w http.ResponseWriter, r *http.Request) (who *jsonrpc.Principal, ok bool) {
	if g.Refuse != "" {
		refuse(w, http.StatusForbidden, CodeRefused, g.Refuse)
		return nil, false
	}
	if len(g.keys) > 0 && !g.hasKey(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="journeyman"`)
		refuse(w, http.StatusUnauthorized, CodeRefused, "send an API key as Authorization: Bearer KEY")
		return nil, false
	}
	return nil, true
}

// hasKey compares hashes, and all of them, so that the time it takes tells
// nothing about the keys.
func (g *gateway) hasKey(r *http.Request) bool {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	key = strings.TrimSpace(key)
	sum := sha256.Sum256([]byte(key))
	found := 0
	for _, want := range g.keys {
		found |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	// An empty key is a mistake in somebody's configuration, and opens nothing.
	return found == 1 && key != "" && strings.EqualFold(scheme, "Bearer")
}

// passport returns the headers that a message takes along.
func (g *gateway) passport(_ string, _ *jsonrpc.Principal) map[string]string {
	return map[string]string{passport.Outside: "1"}
}
