// Package passport is what the gateway gives a request to take along: that it comes from
// outside, and who sent it. Both travel as headers of its message.
package passport

// Names of headers. Callers within send neither.
const (
	// Outside marks a request that came through the gateway, with the value "1". A service
	// answers it with its public methods alone.
	Outside = "journeyman-outside"

	// Principal says who sent it, where the gateway has found that out.
	Principal = "journeyman-principal"
)
