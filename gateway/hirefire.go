package gateway

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/journeyman-go/journeyman/transports"
)

// forHireFire reports whether a request below /hirefire shows the token, in its path or,
// as newer versions of the protocol have it, in its header. To all others nothing is there.
func (g *gateway) forHireFire(r *http.Request, rest string) bool {
	token, inPath := strings.CutSuffix(rest, "/info")
	switch {
	case g.HireFireToken == "":
		return false
	case rest == "":
		token = r.Header.Get("Hirefire-Token")
	case !inPath:
		return false
	}
	// Hashes have the same length, so that the time it takes tells nothing.
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(g.HireFireToken))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// A dyno is one process type as HireFire reads it.
type dyno struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// hireFire answers with one entry for each service of the app, which is a process type
// of its Procfile. The headers are those of HireFire's own libraries (lib/hirefire/middleware.rb
// of hirefire-resource-ruby). Of a service about which the broker tells nothing there is no
// entry: a number would have it scaled.
func (g *gateway) hireFire(w http.ResponseWriter, r *http.Request) {
	if !g.guard(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	s, ok := g.see(w, r)
	if !ok {
		return
	}
	dynos := []dyno{}
	for _, of := range s.services {
		if value := g.demand(s, of); value != nil && slices.Contains(g.Services, of.Name) {
			dynos = append(dynos, dyno{of.Name, *value})
		}
	}
	text, err := json.Marshal(dynos)
	if err != nil {
		panic(err) // numbers and names
	}
	w.Header().Set("Cache-Control", "must-revalidate, private, max-age=0")
	w.Header().Set("Hirefire-Resource", "Go-"+cmp.Or(g.Version, "0"))
	send(w, http.StatusOK, text)
}

// demand is the number by which HireFire scales a service: how long its next message has
// waited, in whole seconds, or how many wait. It reads no fractions; rounded up, whatever
// waits is more than nothing, which is what starts the first worker.
func (g *gateway) demand(s sight, of transports.ServiceStatus) *int64 {
	latency := s.latency(of)
	switch {
	case g.HireFireSize || !of.Dated || of.Waiting == nil:
		return of.Waiting
	case latency == nil: // a bare message does not say when it was sent
		return new(int64(1))
	}
	return new(int64(math.Ceil(*latency)))
}
