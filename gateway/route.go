package gateway

// Route returns the route that a path is on, with names in the place of what varies, for
// those who count or trace requests; "" for probes, for what scrapers ask, and for a path
// on which nothing is. shown is the path without what is a secret in it.
func Route(path string) (route, shown string) {
	shown = shownPath(path)
	switch room, rest := roomOf(path); {
	case rest == "":
	case room == "rpc":
		route = "/rpc/{service}"
	case room == "apps":
		route = "/apps/{name}"
	case room == "tickets":
		route = "/tickets/{ticket}"
	case room == "openrpc":
		route = "/openrpc/{service}.json"
	}
	return route, shown
}

// shownPath is a path as logs and traces may have it: HireFire shows its token in one, and
// whoever has a ticket may have the reply.
func shownPath(path string) string {
	room, rest := roomOf(path)
	if (room == "hirefire" || room == "tickets") && rest != "" {
		return "/" + room + "/…"
	}
	return path
}
