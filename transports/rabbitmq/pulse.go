package rabbitmq

import "time"

// A pulse knows which services have answered this process just now.
//
// A request to a service that answers needs no expiration: whoever takes it drops it by
// what it says itself once its time is over, and a quorum queue spends a quarter more on
// messages that expire, as it writes their headers twice and sets a timer for each. A
// request that nobody may come to take for long needs it, or the queue would fill with
// calls that have ended.
type pulse struct{ services recent[string] }

// pulseLasts bounds how many requests without an expiration a service leaves in its queue
// that has ceased to answer: those of so long.
const pulseLasts = time.Second

func (p *pulse) beat(service string, now time.Time) { p.services.note(service, now) }

// lives remembers nothing of a service that has never answered: anybody can think of names.
func (p *pulse) lives(service string, now time.Time) bool {
	return p.services.within(service, pulseLasts, now)
}
