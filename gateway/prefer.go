package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A preference is what a client would like and need not get (RFC 7240).
type preference struct {
	async bool          // respond-async: a ticket now rather than the reply later
	wait  time.Duration // wait: how long it waits for the reply; 0: not at all, or it did not say
}

// preferred reads the Prefer headers. What it does not know or cannot read is as good as
// absent, and of what stands there twice the first counts, as RFC 7240, section 2 has it.
func preferred(r *http.Request) (p preference) {
	seen := make(map[string]bool)
	for _, item := range splitList(strings.Join(r.Header.Values("Prefer"), ",")) {
		item, _, _ = strings.Cut(item, ";") // parameters, which neither of ours has
		name, value, _ := strings.Cut(item, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
		if seen[name] {
			continue
		}
		seen[name] = true
		switch name {
		case "respond-async":
			p.async = true
		case "wait":
			if s, err := strconv.ParseInt(value, 10, 32); err == nil && s > 0 {
				p.wait = time.Duration(s) * time.Second
			}
		}
	}
	return p
}

// splitList splits a header's list at the commas that stand in no quoted string.
func splitList(list string) []string {
	quoted, escaped := false, false
	return strings.FieldsFunc(list, func(c rune) bool {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		}
		return c == ',' && !quoted
	})
}

// seconds writes a wait as applied, in whole seconds.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
