package runner

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/journeyman-go/journeyman/transports"
)

// placeholder stands for a service's name in the one address of all services.
const placeholder = "{service}"

// stand takes the place of the placeholder where an address is parsed, as a brace is
// not allowed in a host.
const stand = "journeyman-service"

// parseAddress is url.Parse for what may hold a placeholder; it wants a scheme and a
// host. Its error must not be shown: it may quote a password.
func parseAddress(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.ReplaceAll(strings.TrimSpace(raw), placeholder, stand))
	if err == nil && (u.Scheme == "" || u.Host == "") {
		err = errors.New("no scheme or no host")
	}
	return u, err
}

// checkBroker finds what is wrong with a broker's address, as far as that can be
// seen without opening the transport. It never quotes the address.
func checkBroker(b broker) error {
	known := families()
	if b.transport != "" {
		known = []family{familyNamed(b.transport)}
	}
	var schemes []string
	for _, f := range known {
		for _, s := range f.schemes {
			schemes = append(schemes, s+"://")
		}
	}
	notURL := fmt.Sprintf("%s is not a URL such as %s (not shown, as it may hold a password)", b.source, known[0].example)

	members := strings.Split(b.url, ",")
	for i, member := range members {
		member = strings.TrimSpace(member)
		scheme, _, found := strings.Cut(member, "://")
		switch {
		case !found && i > 0:
			return notMember(b, i, len(members))
		case !found:
			return fmt.Errorf("%s: %s is missing in front", notURL, schemes[0])
		case !slices.Contains(schemes, strings.ToLower(scheme)+"://"):
			return foreignScheme(b, scheme, schemes, i > 0)
		}
		_, err := parseAddress(member)
		switch {
		case err != nil && len(members) > 1:
			return notMember(b, i, len(members))
		case err != nil && b.transport == overHTTP && strings.ContainsAny(member, "{}"):
			return fmt.Errorf("%s has something else than %s in braces (not shown, as it may hold a password)", b.source, placeholder)
		case err != nil:
			return fmt.Errorf("%s; in a password percent-encode special characters (/ as %%2F)", notURL)
		}
	}
	switch {
	case len(members) > 1 && b.transport == onRedis:
		return fmt.Errorf("%s lists %d addresses, and Redis takes one: for a primary with replicas use the one address that your provider or a proxy in front of Sentinel gives, as addresses of Sentinel nodes are not supported", b.source, len(members))
	case len(members) > 1 && b.transport == overHTTP:
		return fmt.Errorf("%s lists %d addresses, and HTTP takes one: put %s where the names of services differ, or set JOURNEYMAN_SERVICES to calculator=http://…,statistics=http://…", b.source, len(members), placeholder)
	}
	return nil
}

// notMember is the fault of a list, or of a password with a comma.
func notMember(b broker, i, n int) error {
	return fmt.Errorf("%s: address %d of %d, separated by commas, is no URL (not shown, as it may hold a password); in a password percent-encode special characters (, as %%2C and / as %%2F)", b.source, i+1, n)
}

// foreignScheme is the fault of an address that is none of its kind.
func foreignScheme(b broker, scheme string, wanted []string, inList bool) error {
	if inList && isKnown(scheme) {
		return fmt.Errorf("%s mixes %s:// with %s; a list is for several nodes of one RabbitMQ", b.source, scheme, strings.Join(wanted, " or "))
	}
	want := strings.Join(wanted[:len(wanted)-1], ", ") + " or " + wanted[len(wanted)-1]
	hint := ""
	if b.source != "JOURNEYMAN_URL" {
		hint = "; set JOURNEYMAN_URL, which wins over it"
	}
	return fmt.Errorf("%s begins with %s://, want %s%s", b.source, scheme, want, hint)
}

func isKnown(scheme string) bool {
	return slices.ContainsFunc(families(), func(f family) bool { return slices.Contains(f.schemes, strings.ToLower(scheme)) })
}

// parseServices reads JOURNEYMAN_SERVICES, "calculator=http://…,statistics=http://…",
// and returns every fault at once, without the addresses, which may hold passwords.
func parseServices(text string) (addresses map[string]string, faults []string) {
	for member := range strings.SplitSeq(text, ",") {
		if member = strings.TrimSpace(member); member == "" {
			continue
		}
		name, address, found := strings.Cut(member, "=")
		name, address = strings.TrimSpace(name), strings.TrimSpace(address)
		_, twice := addresses[name]
		switch u, err := parseAddress(address); {
		case !found || strings.ContainsAny(name, ":/@"):
			faults = append(faults, "JOURNEYMAN_SERVICES has a member that is not of the form calculator=http://host:8080 (not shown, as it may hold a password)")
			continue
		case transports.CheckName(name) != nil:
			faults = append(faults, fmt.Sprintf("JOURNEYMAN_SERVICES names a service %q, want 1 to 24 letters a-z", name))
			continue
		case twice:
			faults = append(faults, fmt.Sprintf("JOURNEYMAN_SERVICES has two addresses of %s, and over HTTP a service has one: put a load balancer in front of several", name))
		case err != nil || !slices.Contains(familyNamed(overHTTP).schemes, u.Scheme):
			faults = append(faults, fmt.Sprintf("JOURNEYMAN_SERVICES has an address of %s that is not a URL such as http://host:8080 (not shown, as it may hold a password)", name))
		case strings.Contains(address, placeholder):
			faults = append(faults, fmt.Sprintf("JOURNEYMAN_SERVICES has %s in the address of %s; an address with it goes into JOURNEYMAN_URL", placeholder, name))
		case u.User != nil:
			faults = append(faults, fmt.Sprintf("JOURNEYMAN_SERVICES has a user or a password in the address of %s, which is not used; what callers show is a key from JOURNEYMAN_API_KEYS", name))
		case u.RawQuery != "" || u.Fragment != "":
			faults = append(faults, fmt.Sprintf("JOURNEYMAN_SERVICES has an address of %s with a query or a fragment, want none", name))
		}
		if addresses == nil {
			addresses = map[string]string{}
		}
		addresses[name] = address
	}
	if text != "" && addresses == nil && len(faults) == 0 {
		faults = append(faults, "JOURNEYMAN_SERVICES holds commas and no address, want calculator=http://host:8080 and so on")
	}
	return addresses, faults
}
