package transports

import (
	"context"
	"time"
)

// Abilities that a transport may have beyond Transport; ask by type assertion.

// A Pinger can tell whether its broker answers.
type Pinger interface {
	// Ping returns nil once the broker has answered, an error wrapping
	// ErrUnavailable or ctx's error otherwise.
	Ping(ctx context.Context) error
}

// An Inspector can look at services from the outside.
type Inspector interface {
	// Services reports on every service that was ever announced, sorted by name.
	Services(ctx context.Context) ([]ServiceStatus, error)
}

// ServiceStatus is what an Inspector knows of one service. What a broker cannot
// tell is nil.
type ServiceStatus struct {
	Name     string         `json:"name"`
	Waiting  *int64         `json:"waiting"`   // messages in the queue
	InFlight *int64         `json:"in_flight"` // messages taken and not settled
	Workers  []WorkerStatus `json:"workers"`
}

// WorkerStatus describes one live process of a service, as it announced itself.
type WorkerStatus struct {
	ID       string    `json:"id"`       // unique for each start of a process
	Instance string    `json:"instance"` // the platform's name for it, e.g. "calculator.1"; not unique
	Version  string    `json:"version"`
	Methods  []string  `json:"methods"`
	Slots    int       `json:"slots"`
	Started  time.Time `json:"started"`
}
