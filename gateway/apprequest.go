package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/journeyman-go/journeyman/internal/requestid"
	"github.com/journeyman-go/journeyman/internal/webapp"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// message returns what is sent to the app.
func (v *page) message(r *http.Request, body []byte) (transports.Message, error) {
	m := transports.Message{Method: webapp.Method, Header: v.passport(r, v.name, v.who)}
	var err error
	if m.Key, err = readKey(r, v.who); err != nil {
		return m, err
	}
	m.Body, err = jsonrpc.EncodeCall([]byte("1"), webapp.Method, webapp.Request{
		Method: r.Method, Target: v.target, Host: r.Host, Header: v.header(r), Body: body,
	})
	if err != nil {
		return m, errors.New("the request cannot be passed on")
	}
	return m, nil
}

// believed returns headers that frameworks and servers take at their word: by what address
// or as whom somebody comes, and what is asked for. Of these the gateway writes none.
func believed() []string {
	return []string{
		"Forwarded", "X-Forwarded", "X-Real-Ip", "X-Client-Ip", "Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip", "X-Cluster-Client-Ip",
		"Remote-User", "X-Remote-User", "X-Original-Url", "X-Rewrite-Url", "X-Script-Name", "X-Scheme", "X-Url-Scheme", "Front-End-Https",
		"X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "Expect", "Baggage",
	}
}

// header returns what the app reads. What it believes, nobody outside may have written:
// who asks, from where and by which address. Names with an underscore are dropped since
// Rack and WSGI take them for those with a hyphen.
func (v *page) header(r *http.Request) webapp.Header {
	h := r.Header.Clone()
	webapp.DropConnection(h)
	for name := range h {
		if strings.HasPrefix(name, "Journeyman-") || strings.HasPrefix(name, "X-Forwarded-") || strings.Contains(name, "_") {
			delete(h, name)
		}
	}
	for _, name := range believed() {
		h.Del(name)
	}
	if !v.public {
		h.Del("Authorization") // it was for the gateway, and is a key to all apps
	}
	address, scheme := v.origin(r)
	h.Set("X-Request-ID", requestid.Of(r.Context()))
	h.Set("X-Forwarded-For", address)
	h.Set("X-Forwarded-Host", r.Host)
	h.Set("X-Forwarded-Proto", scheme)
	h.Set("X-Forwarded-Prefix", v.prefix())
	return webapp.Header(h)
}

// visible percent-encodes what browsers would not send as it is. net/http lets it pass in
// a query.
func visible(query string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '#' {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
