package runner

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// addresses says where the services that start is going to run over HTTP can be
// called. The error tells why they could not.
func (p plan) addresses(env environment, servers []server) (map[string]string, error) {
	host := env.config.Bind
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	found := map[string]string{}
	where := map[string]server{}
	for _, s := range servers {
		if s.service == "" {
			continue
		}
		if first, twice := where[s.service]; twice {
			fix := fmt.Sprintf("run one: -m %s=1", s.entry)
			if first.entry != s.entry {
				fix = fmt.Sprintf("leave one of %s and %s out: -m %[2]s=0", first.entry, s.entry)
			}
			return nil, usagef("two processes are to serve %s, and over HTTP a service has one address; %s, or use a broker", s.service, fix)
		}
		where[s.service] = s
		address := "http://" + net.JoinHostPort(host, strconv.Itoa(s.port))
		if set := env.broker.addresses[s.service]; set != "" && !sameServer(set, address) {
			return nil, usagef("JOURNEYMAN_SERVICES has %s at %s, and here it is to run at %s; take it out of there, or do not run it: -m %s=0",
				s.service, redactURL(set), address, s.entry)
		}
		found[s.service] = address
	}
	return found, nil
}

// sameServer reports whether two addresses lead to the same port of this machine.
func sameServer(a, b string) bool {
	place := func(address string) string {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" || u.Path != "" && u.Path != "/" {
			return address
		}
		host := u.Hostname()
		if host == "localhost" || net.ParseIP(host).IsLoopback() {
			host = "127.0.0.1"
		}
		return net.JoinHostPort(host, cmp.Or(u.Port(), "80"))
	}
	return place(a) == place(b)
}

// servicesVariable returns addresses in the form of JOURNEYMAN_SERVICES.
func servicesVariable(addresses map[string]string) string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		members = append(members, name+"="+addresses[name])
	}
	return strings.Join(members, ",")
}
