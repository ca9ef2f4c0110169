package gateway

import (
	"net/http"

	"github.com/rs/cors"
)

// shared lets pages of the listed origins read answers, by the protocol of
// https://fetch.spec.whatwg.org/#http-cors-protocol. No cookie counts here, so no
// credentials are allowed along: a page shows the key or token that it was given.
func (g *gateway) shared(next http.Handler) http.Handler {
	if len(g.Origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: g.Origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders: []string{"Authorization", "Content-Type", "Idempotency-Key", "Journeyman-Timeout", "Prefer", "Traceparent", "Tracestate", "X-Request-Id"},
		ExposedHeaders: []string{"Journeyman-Refused", "Location", "Preference-Applied", "Retry-After", "X-Request-Id"},
		MaxAge:         600,
	}).Handler(next)
}
