package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/journeyman-go/journeyman/internal/webapp"
)

// send writes the response of an app. The header of the gateway, which is for texts that
// are no pages, gives way to the app's; only that browsers are not to guess types stays
// where the app does not say otherwise.
func (v *page) send(w http.ResponseWriter, r *http.Request, response *webapp.Response) {
	h := w.Header()
	for _, name := range []string{"Content-Security-Policy", "Cross-Origin-Resource-Policy", "Referrer-Policy", "Cache-Control"} {
		h.Del(name)
	}
	for name, values := range response.Header {
		switch name {
		case "Location", "Content-Location":
			for i := range values {
				values[i] = v.outside(values[i], r.Host)
			}
		case "Set-Cookie":
			for i := range values {
				values[i] = v.cookie(values[i])
			}
		}
		switch {
		case strings.HasPrefix(name, "Journeyman-"): // those are the gateway's to say
		case name == "Service-Worker-Allowed": // it would let one app answer for all
		case name == "X-Request-Id": // it is the one that stands in the logs
		case name == "Vary":
			h[name] = append(h[name], values...)
		default:
			h[name] = values
		}
	}
	w.WriteHeader(response.Status)
	_, _ = w.Write(response.Body)
}

// outside returns a URL of an app as browsers must ask for it: what it says of its own
// host gets the prefix of which the app knows nothing. What has it already, since the app
// reads X-Forwarded-Prefix, stays, and so do relative URLs, which browsers resolve.
func (v *page) outside(location, host string) string {
	u, err := url.Parse(location)
	if err != nil || u.Opaque != "" || u.Host != "" && !strings.EqualFold(u.Host, host) {
		return location
	}
	before, path := "", location
	if u.Host != "" {
		// "http://host" or "//host", whatever its letters
		at := strings.Index(location, "//") + 2
		end := strings.IndexAny(location[at:], "/?#")
		if end < 0 {
			end = len(location) - at
		}
		before, path = location[:at+end], location[at+end:]
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
	}
	if !strings.HasPrefix(path, "/") {
		return location
	}
	return before + v.below(path)
}

// below puts the prefix before a path that does not have it.
func (v *page) below(path string) string {
	if rest, has := strings.CutPrefix(path, v.prefix()); has && (rest == "" || strings.ContainsRune("/?#", rune(rest[0]))) {
		return path
	}
	return v.prefix() + path
}

// cookie confines a cookie with a Path to the app. One without has by rule the path of
// the page that sets it, and a name that begins with __Host- demands the path / (RFC
// 6265bis, section 4.1.3.2).
func (v *page) cookie(line string) string {
	if strings.HasPrefix(strings.ToLower(line), "__host-") {
		return line
	}
	attributes := strings.Split(line, ";")
	for i, attribute := range attributes[1:] {
		name, path, _ := strings.Cut(attribute, "=")
		path = strings.TrimSpace(path)
		if strings.EqualFold(strings.TrimSpace(name), "path") && strings.HasPrefix(path, "/") {
			attributes[i+1] = " Path=" + v.below(path)
		}
	}
	return strings.Join(attributes, ";")
}
