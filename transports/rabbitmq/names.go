package rabbitmq

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// names has the name of everything that this transport keeps in RabbitMQ. A queue is named
// by its service, so that any language reaches it through the default exchange.
// Services consist of letters alone, so no derived name is one.
type names struct{ ns string } // "": no namespace

func (n names) of(name string) string {
	if n.ns == "" {
		return name
	}
	return n.ns + ":" + name
}

func (n names) queue(service string) string { return n.of(service) }
func (n names) dead(service string) string  { return n.of(service + ".dead") }

// Messages whose worker died, and those for which one more death would be too many.
func (n names) suspects(service string) string { return n.of(service + ".suspects") }
func (n names) alone(service string) string    { return n.of(service + ".alone") }

// method names the queue of a method that has one of its own. Check the binding
// with checkBinding.
func (n names) method(service, method string) string { return n.of(service + ".method." + method) }

// reply names the queue on which one process waits for its replies, and takes bundles.
func (n names) reply(id string) string { return n.of(replyPrefix + id) }

const replyPrefix = "journeyman.reply.many."

// takesBundles reports whether whoever waits at a queue for replies reads bundles: it
// says so by the queue's name, as workers of another version must not be told more.
func (n names) takesBundles(queue string) bool { return strings.HasPrefix(queue, n.of(replyPrefix)) }

// box names the queue on which the reply to one call waits until somebody fetches it.
func (n names) box(name string) string { return n.of(boxPrefix + name) }

const boxPrefix = "journeyman.reply.box."

// isBox reports whether a queue for replies is a box, whoever's it is.
func isBox(queue string) bool {
	_, own, found := strings.Cut(queue, ":")
	return strings.HasPrefix(queue, boxPrefix) || found && strings.HasPrefix(own, boxPrefix)
}

// rung names the queue in which messages of a service wait so long. Each service has its
// own: what leaves a rung and finds its queue full holds up all behind it.
func (n names) rung(service string, d time.Duration) string {
	return n.of(service + ".delay." + strconv.FormatInt(d.Milliseconds(), 10))
}

// The exchanges to which callers publish: rpc knows the methods that have a queue of
// their own, and what it does not know goes on to any, which knows the services.
func (n names) rpc() string { return n.of("rpc") }
func (n names) any() string { return n.of("rpc.any") }

var namespaceForm = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)

func checkNamespace(ns string) error {
	if !namespaceForm.MatchString(ns) {
		return fmt.Errorf("namespace %q: want up to 64 letters, digits, dots, hyphens and underscores", ns)
	}
	if strings.HasPrefix(ns, "amq.") {
		return fmt.Errorf(`namespace %q: RabbitMQ keeps names that begin with "amq." for itself`, ns)
	}
	return nil
}

// mostShort is the length in bytes of AMQP's short strings, which names and the
// properties of a message are.
const mostShort = 255

// checkBinding returns nil if the method can have a queue of its own.
func (n names) checkBinding(service, method string) error {
	if method == "" {
		return fmt.Errorf("binding of %s without a method", service)
	}
	if oneLine(method) != method {
		return fmt.Errorf("binding %q of %s: want no control characters", method, service)
	}
	if over := len(n.method(service, method)) - mostShort; over > 0 {
		return fmt.Errorf("binding %.40q… of %s: its name is %d bytes too long for a queue", method, service, over)
	}
	return nil
}

// letters names the exchange that knows the queues of dead letters, for those that
// the broker itself gives up.
func (n names) letters() string { return n.of("journeyman.dead") }
