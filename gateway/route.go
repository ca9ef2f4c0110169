package gateway

import "strings"

// Route returns the route that a path is on, with names in the place of what varies, for
// those who count or trace requests; "" for probes, and for a path on which nothing is.
func Route(path string) string {
	if strings.HasPrefix(path, "/rpc/") {
		return "/rpc/{service}"
	}
	return ""
}
