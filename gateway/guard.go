package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// admit decides from the head of a request alone whether to read its body. If
// not, it has answered.
//
// A page on another site can make a browser send a form here, and a form can be
// written so that it is JSON: wallets have been emptied that way. So the origin is
// checked, and the content type, which a form cannot set to application/json.
func (g *gateway) admit(w http.ResponseWriter, r *http.Request) bool {
	no := func(status int, message string) bool {
		refuse(w, status, CodeRefused, message)
		return false
	}
	if !g.knowsHost(r) {
		return no(http.StatusMisdirectedRequest, "this gateway does not answer to the host name of the request")
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return no(http.StatusMethodNotAllowed, "use POST")
	}
	if g.origins.Check(r) != nil {
		return no(http.StatusForbidden, "calls from pages of other sites are refused")
	}
	if g.Refuse != "" {
		return no(http.StatusForbidden, g.Refuse)
	}
	if len(g.keys) > 0 && !g.hasKey(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="journeyman"`)
		return no(http.StatusUnauthorized, "send an API key as Authorization: Bearer KEY")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return no(http.StatusUnsupportedMediaType, "send Content-Type: application/json")
	}
	return true
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

func (g *gateway) knowsHost(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if len(g.Hosts) > 0 {
		return slices.ContainsFunc(g.Hosts, func(h string) bool { return h == "*" || strings.EqualFold(h, host) })
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return true
	}
	addr, err := netip.ParseAddrPort(local.String())
	if err != nil || !addr.Addr().IsLoopback() {
		return true
	}
	named, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && named.IsLoopback()
}
