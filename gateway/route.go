package gateway

import "strings"

// Route returns the route that a path is on, with names in the place of what varies, for
// those who trace requests; "" for what probes and scalers ask for, again and again, and for a
// path on which nothing is.
func Route(path string) string {
	switch room, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); {
	case rest == "":
	case room == "rpc":
		return "/rpc/{service}"
	case room == "apps":
		return "/apps/{name}"
	case room == "tickets":
		return "/tickets/{ticket}"
	case room == "openrpc":
		return "/openrpc/{service}.json"
	}
	return ""
}
