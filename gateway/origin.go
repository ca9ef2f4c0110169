package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
)

// origin returns the browser's address, and how it was reached. A router writes the
// address that it sees behind what it was told, which may be anything.
func (g *gateway) origin(r *http.Request) (address, scheme string) {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	if scheme = "http"; r.TLS != nil {
		scheme = "https"
	}
	if !g.Routed {
		return address, scheme
	}
	if ip := net.ParseIP(last(r.Header, "X-Forwarded-For")); ip != nil {
		address = ip.String()
	}
	if s := last(r.Header, "X-Forwarded-Proto"); s == "https" || s == "http" {
		scheme = s
	}
	return address, scheme
}

// last returns the last member of a header that is a list.
func last(h http.Header, name string) string {
	lines := h.Values(name)
	if len(lines) == 0 {
		return ""
	}
	list := lines[len(lines)-1]
	return textproto.TrimString(list[strings.LastIndexByte(list, ',')+1:])
}

// network returns where a request comes from, as those are told apart who guess keys. Of
// an IPv6 address it is the network, as one caller has all of it.
func (g *gateway) network(r *http.Request) string {
	text, _ := g.origin(r)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return "unknown"
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		network, _ := addr.Prefix(64)
		return network.String()
	}
	return addr.String()
}

// address is where whoever sent a request found this gateway.
func (g *gateway) address(r *http.Request) string {
	_, scheme := g.origin(r)
	return scheme + "://" + r.Host
}
