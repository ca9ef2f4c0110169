package gateway

import "strings"

// Route returns the route that a path is on, with names in the place of what varies, for
// those who count or trace requests; "" for probes, and for a path on which nothing is.
func Route(path string) string {
	room, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch room {
	case "rpc":
		return "/rpc/{service}"
	}
	return ""
}
