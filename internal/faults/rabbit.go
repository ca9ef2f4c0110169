package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// A rabbitBroker is a vhost of RabbitMQ and what the bench sees in it: on a node that
// scenarios share, or on one of the scenario's own.
type rabbitBroker struct {
	host
	node    *brokertest.Rabbit // nil on the shared node
	url     string
	stopped bool // by rabbitmqctl stop_app
}

// Queues of the app's service, and how those of callers begin.
const (
	deadQueue   = service + ".dead"
	replyPrefix = "journeyman.reply."
)

// startVhost gives the scenario a vhost of its own and has everybody use it.
func (w *world) startVhost() *rabbitBroker {
	h := host{world: w}
	return w.useRabbit(&rabbitBroker{host: h, url: brokertest.Vhost(h)})
}

// startNode starts a RabbitMQ of the scenario's own and has everybody use it.
func (w *world) startNode() *rabbitBroker {
	h := host{world: w}
	node := brokertest.RabbitMQ(h)
	return w.useRabbit(&rabbitBroker{host: h, node: node, url: node.URL})
}

func startRabbit(w *world, own bool) broker {
	if own {
		return w.startNode()
	}
	return w.startVhost()
}

func (w *world) useRabbit(b *rabbitBroker) *rabbitBroker {
	w.broker, w.url = b, b.url
	return b
}

// do opens a connection for one look, which goes straight to the broker, whatever the
// scenario does to the others' way.
func (b *rabbitBroker) do(look func(ch *amqp.Channel) error) error {
	conn, err := amqp.DialConfig(b.url, amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	return look(ch)
}

// mustDo gives the scenario up where that is not possible.
func (b *rabbitBroker) mustDo(look func(ch *amqp.Channel) error) { b.world.must(b.do(look)) }

func (b *rabbitBroker) addr() string {
	u, err := url.Parse(b.url)
	b.world.must(err)
	return u.Host
}

func (b *rabbitBroker) pid() int {
	if b.node == nil {
		return 0
	}
	return b.node.Pid()
}

func (b *rabbitBroker) pause()  { b.node.Pause() }
func (b *rabbitBroker) resume() { b.node.Resume() }

// end stops RabbitMQ inside its Erlang by SIGTERM's counterpart, which closes all
// connections in good order; SIGKILL ends the whole process.
func (b *rabbitBroker) end(s syscall.Signal) error {
	if s == syscall.SIGTERM {
		b.node.Ctl("stop_app")
		b.stopped = true
		return nil
	}
	b.node.Kill()
	return nil
}

func (b *rabbitBroker) revive() {
	if b.stopped {
		b.node.Ctl("start_app")
		b.stopped = false
		return
	}
	b.node.Restart()
}

// consumers returns how many consumers of the requests' queue each process has, by
// its name.
func (b *rabbitBroker) consumers() map[string]int {
	count := map[string]int{}
	for _, c := range brokertest.Connections(b.host, b.url) {
		for _, queue := range c.Consumes {
			if name, ok := strings.CutSuffix(c.Name, " consuming"); ok && queue == service {
				count[name]++
			}
		}
	}
	return count
}

// serving asks the queue how many consumers it has, of which the last to come is p's:
// whose they are the management API tells a second later, or five.
func (b *rabbitBroker) serving(p *worker) bool {
	return p.alive() && b.attached() >= len(b.world.alive())
}

// attached returns how many consumers the requests' queue has, none if it is not there.
func (b *rabbitBroker) attached() (n int) {
	_ = b.do(func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(service, true, false, false, false, nil)
		n = q.Consumers
		return err
	})
	return n
}

// misfits wants one consumer for each worker, however often it has come back.
func (b *rabbitBroker) misfits(alive int) string {
	total, processes := b.attached(), len(b.consumers())
	if processes != alive || total != alive {
		return fmt.Sprintf("%d consumers of %d processes", total, processes)
	}
	return ""
}

func (b *rabbitBroker) connections() (n int) {
	for _, c := range brokertest.Connections(b.host, b.url) {
		if strings.HasSuffix(c.Name, "ing") { // consuming, publishing
			n++
		}
	}
	return n
}

// waiting asks the queue itself: what the management API says is some moments old.
func (b *rabbitBroker) waiting() (n int) {
	err := b.do(func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(service, true, false, false, false, nil)
		n = q.Messages
		return err
	})
	if err != nil {
		return 0 // nobody has declared it yet
	}
	return n
}

// holding looks at all queues but that of the dead letters, twice where it finds nothing:
// the numbers are up to a second old, and a message on its way from one queue to another
// would not be seen.
func (b *rabbitBroker) holding() (places []place) {
	if places = b.held(); len(places) == 0 {
		b.world.sleep(1200 * time.Millisecond)
		places = b.held()
	}
	return places
}

func (b *rabbitBroker) held() (places []place) {
	for _, q := range brokertest.Queues(b.host, b.url) {
		if n := q.Ready + q.Unacked; n > 0 && q.Name != deadQueue {
			places = append(places, place{q.Name, int64(n)})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return strings.Compare(a.key, b.key) })
	return places
}

// sample shows the first message of a queue, as far as nobody has it.
func (b *rabbitBroker) sample(queue string) (text string) {
	_ = b.do(func(ch *amqp.Channel) error {
		d, ok, err := ch.Get(queue, false)
		if ok {
			text = fmt.Sprintf("%v %s", d.Headers, d.Body)
		}
		return err
	})
	return text
}

// deadLetters takes all of them and gives them back by closing the channel.
func (b *rabbitBroker) deadLetters() (bodies []string) {
	b.mustDo(func(ch *amqp.Channel) error {
		for {
			d, ok, err := ch.Get(deadQueue, false)
			if err != nil || !ok {
				return err
			}
			bodies = append(bodies, string(d.Body))
		}
	})
	return bodies
}

// leftovers returns the queues that would stay for ever, but for those that a service
// has: of its requests, of what its workers died of, and the ladder of delays.
func (b *rabbitBroker) leftovers() (names []string) {
	for _, q := range brokertest.Queues(b.host, b.url) {
		own := q.Name == service || strings.HasPrefix(q.Name, service+".")
		if _, expires := q.Arguments["x-expires"]; !own && !expires {
			names = append(names, q.Name)
		}
	}
	return names
}

func (b *rabbitBroker) replies() (found replies) {
	found.may = 2 * 64 // it may just have read as many, and acknowledges several at a time
	for _, q := range brokertest.Queues(b.host, b.url) {
		if !strings.HasPrefix(q.Name, replyPrefix) {
			continue
		}
		found.most = max(found.most, q.Ready+q.Unacked)
		if _, expires := q.Arguments["x-expires"]; !expires {
			found.eternal++
		}
	}
	return found
}
