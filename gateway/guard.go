package gateway

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// admit decides from the head of a call alone whether to read its body, and finds out
// who sends it. If ok is false, it has answered.
//
// A page on another site can make a browser send a form here, and a form can be
// written so that it is JSON: wallets have been emptied that way. So the origin is
// checked, and the content type, which a form cannot set to application/json.
func (g *gateway) admit(w http.ResponseWriter, r *http.Request) (who *jsonrpc.Principal, ok bool) {
	if !g.guard(w, r, http.MethodPost) {
		return nil, false
	}
	if who, ok = g.authenticate(w, r); !ok {
		return nil, false
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, CodeRefused, "send Content-Type: application/json")
		return nil, false
	}
	return who, true
}

// guard refuses what no request may be, whoever sends it: to a host of another name, with
// another method, or from another site's page. If it returns false, it has answered.
func (g *gateway) guard(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	switch {
	case !g.knowsHost(r):
		refuse(w, http.StatusMisdirectedRequest, CodeRefused, "this gateway does not answer to the host name of the request")
	case !allows(w, r, methods...): // it has answered
	case g.origins.Check(r) != nil:
		refuse(w, http.StatusForbidden, CodeRefused, "calls from pages of other sites are refused")
	default:
		return true
	}
	return false
}

// allows refuses other methods than these. If it returns false, it has answered.
func allows(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	refuse(w, http.StatusMethodNotAllowed, CodeRefused, "use "+methods[0])
	return false
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
