package gateway

import (
	"encoding/json"
	"net/http"

	"github.com/journeyman-go/journeyman/transports"
)

// ScopeOperations is the scope that a principal needs to see how all services are doing:
// for /metrics and /scaling.json.
const ScopeOperations = "operations"

// operator admits those who may see how services are doing, which tells what an app is
// made of. If it returns false, it has answered.
func (g *gateway) operator(w http.ResponseWriter, r *http.Request) bool {
	if !g.guard(w, r, http.MethodGet, http.MethodHead) {
		return false
	}
	who, ok := g.authenticate(w, r)
	if !ok || who == nil || who.Has(ScopeOperations) {
		return ok
	}
	refuse(w, http.StatusForbidden, CodeRefused, `this needs the scope "`+ScopeOperations+`"`)
	return false
}

// A load is what one service has to do, as scalers read it. What the broker cannot tell is
// null, which no scaler takes for nothing.
type load struct {
	Latency  *float64 `json:"latency_seconds"`
	Waiting  *int64   `json:"waiting"`
	InFlight *int64   `json:"in_flight"`
	Delayed  *int64   `json:"delayed"`
	Retries  *int64   `json:"retries"`
	Suspects *int64   `json:"suspects"`
	Dead     *int64   `json:"dead"`
	Workers  *int64   `json:"workers"`
	Paused   *bool    `json:"paused"`
}

// scaling answers with the load of each service, by name. An autoscaler that is answered
// with an error leaves things as they are, as it should while the broker is away.
func (g *gateway) scaling(w http.ResponseWriter, r *http.Request) {
	if !g.operator(w, r) {
		return
	}
	s, ok := g.see(w, r)
	if !ok {
		return
	}
	services := make(map[string]load, len(s.services))
	for _, of := range s.services {
		services[of.Name] = load{
			s.latency(of), of.Waiting, of.InFlight, of.Delayed, of.Retries, of.Suspects, of.Dead, of.Consumers, g.paused(of),
		}
	}
	text, err := json.Marshal(map[string]any{"services": services})
	if err != nil {
		panic(err) // numbers and names
	}
	send(w, http.StatusOK, text)
}

// look asks the broker, and tells the log why where it does not answer.
func (g *gateway) look(r *http.Request) sight {
	s := g.lookout.look(r.Context())
	if s.err != nil {
		g.Log.InfoContext(r.Context(), "services cannot be inspected", "err", s.err)
	}
	return s
}

// see looks at the broker. If it returns false, it has answered.
func (g *gateway) see(w http.ResponseWriter, r *http.Request) (sight, bool) {
	s := g.look(r)
	if s.err != nil {
		refuse(w, http.StatusServiceUnavailable, CodeUnavailable, "the broker cannot be asked now")
	}
	return s, s.err == nil
}

// paused is nil where services cannot be paused.
func (g *gateway) paused(s transports.ServiceStatus) *bool {
	if _, ok := transports.Ability[transports.Pauser](g.Caller); !ok {
		return nil
	}
	return &s.Paused
}
