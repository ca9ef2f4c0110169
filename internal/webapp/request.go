package webapp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// HTTP returns the request as a server's handler gets it, or what is wrong with it. Its
// length is that of the body, whatever its header says.
func (r Request) HTTP(ctx context.Context) (*http.Request, error) {
	if !isToken(r.Method) {
		return nil, fmt.Errorf("method %.100q is none of HTTP's", r.Method)
	}
	if !isHost(r.Host) {
		return nil, fmt.Errorf("host %.100q is none", r.Host)
	}
	target, err := parseTarget(r.Target)
	if err != nil {
		return nil, err
	}
	header := http.Header(r.Header).Clone()
	if header == nil {
		header = make(http.Header)
	}
	DropConnection(header)
	header.Del("Host") // net/http has it in Request.Host alone
	header.Del("Content-Length")
	if len(r.Body) > 0 {
		header.Set("Content-Length", strconv.Itoa(len(r.Body)))
	}
	request := &http.Request{
		Method: r.Method, URL: target, RequestURI: r.Target, Host: r.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(r.Body)), RemoteAddr: remote(header),
	}
	if len(r.Body) > 0 {
		request.Body = body{bytes.NewReader(r.Body)}
	}
	return request.WithContext(ctx), nil
}

// A body that is in memory already.
type body struct{ *bytes.Reader }

// Close implements io.Closer.
func (body) Close() error { return nil }

// parseTarget reads the target of a request to an origin server (RFC 9112, section
// 3.2.1): a path and a query, and not a URL, which would have the app take it for another's.
func parseTarget(target string) (*url.URL, error) {
	if !strings.HasPrefix(target, "/") {
		return nil, errors.New("target: want a path, which begins with a slash")
	}
	if i := strings.IndexFunc(target, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }); i >= 0 {
		return nil, fmt.Errorf("target: character %d has to be percent-encoded", i)
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, errors.New("target: a percent sign without two digits behind it")
	}
	return u, nil
}

// isHost holds for a name or an address, with or without a port.
func isHost(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`/\?#@"<>^`+"`{|}", c)
	})
}

// remote returns the address of the browser, in the form that net/http gives it. Its
// port is not known.
func remote(h http.Header) string {
	list := strings.Split(h.Get("X-Forwarded-For"), ",")
	if ip := net.ParseIP(strings.TrimSpace(list[len(list)-1])); ip != nil {
		return net.JoinHostPort(ip.String(), "0")
	}
	return ""
}
