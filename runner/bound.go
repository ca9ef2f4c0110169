package runner

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// findBound looks through the JSON in which Cloud Foundry hands over what is
// bound to an app: {"label": [{"credentials": {"uri": "…"}}]}. Only the scheme
// tells what a service is; labels are up to each operator.
func findBound(vcap, transport string) (broker, error) {
	if strings.TrimSpace(vcap) == "" {
		return broker{}, nil
	}
	var labels map[string][]struct {
		Credentials struct {
			URI  string   `json:"uri"`
			URL  string   `json:"url"`
			URIs []string `json:"uris"`
		} `json:"credentials"`
	}
	if err := json.Unmarshal([]byte(vcap), &labels); err != nil {
		return broker{}, errors.New("VCAP_SERVICES is not the JSON that Cloud Foundry writes; set JOURNEYMAN_URL") // err may quote a password
	}
	for _, f := range families() {
		if transport != "" && transport != f.name || f.variables == nil {
			continue
		}
		for _, label := range slices.Sorted(maps.Keys(labels)) {
			for _, service := range labels[label] {
				c := service.Credentials
				var found []string
				for _, candidate := range append([]string{c.URI, c.URL}, c.URIs...) {
					scheme, _, _ := strings.Cut(candidate, "://")
					if slices.Contains(f.schemes, strings.ToLower(scheme)) && !slices.Contains(found, candidate) {
						found = append(found, candidate)
					}
				}
				if len(found) == 0 {
					continue
				}
				if f.name != onRabbitMQ { // the nodes of a cluster are tried in turn; elsewhere they mean one server
					found = found[:1]
				}
				b := broker{transport: f.name, url: strings.Join(found, ","), source: "VCAP_SERVICES (" + label + ")"}
				return b, checkBroker(b)
			}
		}
	}
	return broker{}, nil
}
