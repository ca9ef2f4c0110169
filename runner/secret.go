package runner

import (
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
)

const redacted = "[redacted]"

// A Secret is a string that prints, logs and marshals as "[redacted]". Convert
// it to a string where the value itself is needed.
type Secret string

// String returns "[redacted]", or "" where there is nothing to hide.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString does for %#v what String does for %v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// MarshalText covers encoding/json and all who honour text marshalling.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// redactURL returns a broker URL, or a comma-separated list of them, fit for
// logs: scheme, user, host and path. A user without a password is hidden as well
// (a password is often put there by mistake), and so is the query.
func redactURL(raw string) string {
	members := strings.Split(raw, ",")
	for i, m := range members {
		u, err := parseAddress(m)
		if err != nil {
			// Not even the error may be shown: url.Parse quotes what it choked
			// on, often a password with an unescaped slash.
			members[i] = redacted
			continue
		}
		if u.User != nil {
			if _, has := u.User.Password(); has {
				u.User = url.UserPassword(u.User.Username(), "xxxxx")
			} else {
				u.User = url.User("xxxxx")
			}
		}
		u.RawQuery, u.Fragment = "", ""
		members[i] = strings.ReplaceAll(u.String(), stand, placeholder)
	}
	return strings.Join(members, ",")
}

// showAddresses returns the addresses of services fit for logs, in the form of
// JOURNEYMAN_SERVICES.
func showAddresses(addresses map[string]string) string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		members = append(members, name+"="+redactURL(addresses[name]))
	}
	return strings.Join(members, ",")
}
