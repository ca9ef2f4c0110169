package gateway_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/journeyman-go/journeyman/gateway"
)

func TestHosts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		local string // the address that the connection arrived at
		hosts []string
		host  string
		ok    bool
	}{
		{"127.0.0.1:5000", nil, "localhost:5000", true},
		{"127.0.0.1:5000", nil, "LOCALHOST", true},
		{"127.0.0.1:5000", nil, "127.0.0.1:5000", true},
		{"[::1]:5000", nil, "[::1]:5000", true},
		{"[::1]:5000", nil, "[::1]", true},
		{"[::ffff:127.0.0.1]:5000", nil, "evil.example", false}, // a socket for both families
		{"127.0.0.1:5000", nil, "evil.example:5000", false},
		{"127.0.0.1:5000", nil, "localhost.evil.example", false},
		{"127.0.0.1:5000", nil, "127.0.0.1.evil.example", false},
		{"127.0.0.1:5000", nil, "192.168.1.2", false},
		{"127.0.0.1:5000", nil, "", false},
		{"10.0.0.7:5000", nil, "shop.example", true}, // behind a platform's router
		{"127.0.0.1:5000", []string{"Shop.example"}, "shop.Example:443", true},
		{"127.0.0.1:5000", []string{"shop.example"}, "localhost", false},
		{"10.0.0.7:5000", []string{"shop.example"}, "evil.example", false},
		{"127.0.0.1:5000", []string{"*"}, "any.example", true},
	} {
		t.Run(tc.local+" "+tc.host, func(t *testing.T) {
			t.Parallel()
			local, err := net.ResolveTCPAddr("tcp", tc.local)
			if err != nil {
				t.Fatal(err)
			}
			r := post(t, gateway.Options{Hosts: tc.hosts}, "/rpc/calculator", add, func(r *http.Request) {
				*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
				r.Host = tc.host
			})
			if ok := r.StatusCode == http.StatusOK; ok != tc.ok {
				t.Errorf("status %d", r.StatusCode)
			}
		})
	}
}

func TestSameOriginPages(t *testing.T) {
	t.Parallel()
	for _, with := range []func(*http.Request){
		header("Sec-Fetch-Site", "same-origin"),
		header("Sec-Fetch-Site", "none"), // typed by the user
		header("Origin", "http://example.com"),
		header("Content-Type", "application/json; charset=utf-8"),
	} {
		if r := post(t, gateway.Options{}, "/rpc/calculator", add, with); r.StatusCode != http.StatusOK {
			t.Errorf("status %d, want 200", r.StatusCode)
		}
	}
}
