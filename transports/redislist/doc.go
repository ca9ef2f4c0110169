// Package redislist carries messages through Redis lists, in such a way that work
// survives the death of whoever does it.
//
// A queue is a list that is named by its service. A worker moves messages from it
// into a backup list of its own (BLMOVE, the successor of BRPOPLPUSH), so that a
// message is always in some list. When a handler has returned, one script removes
// its message from the backup list and, only if it was still there, pushes the
// reply: the caller gets one answer, and a worker that has lost its messages to
// others cannot give any.
//
// A worker beats into a lease. All workers of a service sweep: they declare those
// dead whose lease is over and give their messages back, those apart that may have
// killed it (see suspects.go). Every time
// is read from the broker inside the scripts, and only a worker whose own beats
// have come without a gap for a whole lease may sweep. A broker that stands still
// is a gap for everybody, and therefore kills nobody. Whoever was declared dead
// learns it from its next beat, drops its results, cancels its handlers, and goes
// on under a new identity.
//
// A process has one connection for commands, on which everything that comes up
// while an exchange is under way leaves together with the next; one on which it
// waits for requests; and one on which it waits for replies. Connections are
// waited on for as long as the broker takes. They are given up when the peer is
// gone, or when the broker answers on another one.
//
// docs/wire.md describes keys and messages, for people and for other languages.
//
// The files, from the bottom up:
//
//	socket, line, dialer, greet   one connection, and what makes it usable
//	commands, exchange            the line for commands: what leaves together
//	push, unique, cancel          a message on its way in: queued, delayed, unique, taken back
//	settlement, outcome           a message on its way out
//	frame, bare, keys, clock      what stands on the wire, and by whose time
//	call, replies, article        the calling half
//	serve, fetch, handle, claim   the serving half
//	suspects                      the part of it that is careful
//	worker, lease, audit, beat    one identity: its messages, its lease, its end
//	inspect, dead, pause, locate  looking at it from outside, and repairing it
//	lua/                          what happens in one step
package redislist
