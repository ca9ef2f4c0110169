// Package rabbitmq carries messages through RabbitMQ, 3.10 to 4.3: a quorum queue for
// each service, and one queue for the replies to all calls of a process.
//
// What it promises: a request that the broker has confirmed is executed at least once,
// or expires at its caller's deadline, or ends among the dead letters, where it can be
// seen and retried. A call never outlives its deadline, and the first reply to arrive
// resolves it; further ones are dropped and counted.
//
// Where it promises less than Redis lists: RabbitMQ cannot tell a worker that died from
// one that lost its connection, and gives what either had in hand to others at once. So
// a connection that breaks can have a request run twice, and the reply of either may be
// the one that counts; four such ends in a row make a dead letter. A call that is
// cancelled stays in its queue until it expires. There is no deduplication, since that
// wants a store that all workers share, no pausing and no unique message, and the limit
// of a queue is kept only about. Clocks matter: the deadline in a header is judged by
// the worker's clock; the time that a message may wait in the queue, by the broker's.
//
// How it works, a file each: a link keeps a connection alive and a session is one
// connection of it, never repaired; an outlet publishes, and a stand consumes one
// queue; a desk knows what a worker has in hand, and receipts acknowledge it. Replies to
// one process that are ready at the same time leave as a bundle, and a socket makes one
// write of what many have to say. Queues and exchanges are in topology.go, the wire in
// message.go, bundle.go and docs/wire-rabbitmq.md.
package rabbitmq
