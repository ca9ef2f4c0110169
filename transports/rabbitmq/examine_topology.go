package rabbitmq

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// What the broker has can be compared with what would be declared: declaring something
// once more changes nothing, and is refused with the argument that differs. What is not
// there yet must not be declared, which would make it.
const (
	asWanted = iota
	missing
	differs   // and can be used
	forbidden // to declare it
)

// compare says how something stands, and in the broker's words what is wrong with it.
func (e *examination) compare(passive, declare func(ch *amqp.Channel) error) (state int, why string, err error) {
	err = onChannel(e.session.conn, passive)
	if err == nil {
		err = onChannel(e.session.conn, declare)
	}
	fault, ok := errors.AsType[*amqp.Error](err)
	switch {
	case err == nil:
		return asWanted, "", nil
	case !ok || !fault.Server || e.session.isLost():
		return 0, "", err
	case fault.Code == amqp.NotFound:
		return missing, "", nil
	case fault.Code == amqp.AccessRefused:
		return forbidden, reason(fault), nil
	case fault.Code == amqp.PreconditionFailed:
		return differs, reason(fault), nil
	}
	return forbidden, reason(fault), nil
}

// reason returns what the broker says without its code.
func reason(fault *amqp.Error) string {
	_, text, ok := strings.Cut(fault.Reason, " - ")
	if !ok {
		text = fault.Reason
	}
	return strings.TrimSpace(text)
}

// exchanges looks at those to which callers publish.
func (e *examination) exchanges() error {
	const subject = "exchanges"
	all := map[string]amqp.Table{e.names.rpc(): {"alternate-exchange": e.names.any()}, e.names.any(): nil}
	absent, before := 0, len(e.findings)
	for _, name := range []string{e.names.rpc(), e.names.any()} {
		state, why, err := e.compare(
			func(ch *amqp.Channel) error {
				return ch.ExchangeDeclarePassive(name, amqp.ExchangeHeaders, true, false, false, false, nil)
			},
			func(ch *amqp.Channel) error {
				return ch.ExchangeDeclare(name, amqp.ExchangeHeaders, true, false, false, false, all[name])
			})
		switch {
		case err != nil:
			return err
		case state == missing:
			absent++
		case state == differs:
			e.note(transports.Trouble, subject, "Set JOURNEYMAN_NAMESPACE, or delete the exchange if nothing else uses it.",
				"Exchange %s belongs to another program, or an older version: %s.", name, why)
		case state == forbidden:
			e.rights(why)
		}
	}
	switch {
	case absent > 0:
		e.note(transports.Fine, subject, "", "They are not there yet; the first process of the app declares them.")
	case len(e.findings) == before:
		e.note(transports.Fine, subject, "", "They are as they should be.")
	}
	return nil
}

// rights notes, once, that the user may not declare.
func (e *examination) rights(why string) {
	const subject = "rights"
	for _, f := range e.findings {
		if f.Subject == subject {
			return
		}
	}
	advice := `rabbitmqctl set_permissions -p VHOST USER ".*" ".*" ".*"`
	if e.opts.Namespace != "" {
		ns := `^` + strings.ReplaceAll(e.opts.Namespace, ".", `\.`) + `:.*`
		advice = fmt.Sprintf(`rabbitmqctl set_permissions -p VHOST USER "%s" "%s|^amq\.default$" "%s"`, ns, ns, ns)
	}
	e.note(transports.Trouble, subject, advice, "The user may not declare what is needed: %s.", why)
}

// queuesOf compares the queues of the services with what would be declared. How full
// they are and who serves them is for Services to tell.
func (e *examination) queuesOf() error {
	const subject = "queues"
	present, before := 0, len(e.findings)
	for _, service := range e.services() {
		for _, q := range []struct {
			name string
			args amqp.Table
		}{
			{e.names.queue(service), e.topology.queueArguments()},
			{e.names.dead(service), e.topology.keepArguments()},
		} {
			there, err := e.queueOf(q.name, q.args)
			if err != nil {
				return err
			}
			if there {
				present++
			}
		}
	}
	switch {
	case present == 0:
		e.note(transports.Fine, subject, "", "There are none yet; the first process of the app declares them.")
	case len(e.findings) == before:
		e.note(transports.Fine, subject, "", "They are as they should be.")
	}
	return nil
}

// queueOf compares one queue. The broker tells of one argument at a time, so what it
// tells of is then taken over, until it is content.
func (e *examination) queueOf(name string, args amqp.Table) (there bool, err error) {
	args = maps.Clone(args)
	told := make(map[string]string) // by argument, the broker's words
	for range len(args) + 8 {
		state, why, err := e.compare(
			func(ch *amqp.Channel) error {
				_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
				return err
			},
			func(ch *amqp.Channel) error {
				_, err := ch.QueueDeclare(name, true, false, false, false, args)
				return err
			})
		if err != nil {
			return false, err
		}
		switch state {
		case forbidden:
			e.rights(why)
			return true, nil
		case missing:
			return false, nil
		}
		argument, current := difference(why)
		if _, again := told[argument]; state == asWanted || again {
			break
		}
		told[argument] = why
		if !strings.HasPrefix(argument, "x-") {
			break // durable, exclusive: it is something else altogether
		}
		if current == nil {
			delete(args, argument)
		} else {
			args[argument] = current
		}
	}
	e.different(name, told)
	return true, nil
}

// difference reads of a refusal which argument differs, and the value that the existing
// queue has; nil for none:
//
//	inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received '7' but current is '8'
//	inequivalent arg 'x-overflow' for queue 'q' in vhost '/': received the value 'reject-publish' of type 'longstr' but current is none
func difference(why string) (argument string, current any) {
	_, rest, _ := strings.Cut(why, "inequivalent arg '")
	argument, rest, _ = strings.Cut(rest, "'")
	_, value, _ := strings.Cut(rest, "but current is ")
	if value == "none" {
		return argument, nil
	}
	value = strings.TrimPrefix(value, "the value ")
	value, kind, _ := strings.Cut(strings.TrimPrefix(value, "'"), "'")
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && !strings.Contains(kind, "longstr") {
		return argument, n
	}
	return argument, value
}

// different explains a queue that exists with other arguments, by the broker's words
// for each.
func (e *examination) different(queue string, told map[string]string) {
	const subject = "queues"
	const anew = "When it is empty, stop the app and delete it; the next process declares it anew."
	for argument, why := range told {
		if argument == "x-queue-type" || !strings.HasPrefix(argument, "x-") {
			e.note(transports.Trouble, subject, anew+" If it is another program's, set JOURNEYMAN_NAMESPACE.",
				"Queue %s is of another kind, which may lose what waits in it: %s.", queue, why)
			return
		}
	}
	if why, ok := told["x-max-length"]; ok {
		e.note(transports.Warning, subject, anew+" Or set JOURNEYMAN_MAX_QUEUE to the limit that it has.",
			"Queue %s was declared with another limit, which holds: %s.", queue, why)
	}
	if why, ok := told["x-delivery-limit"]; ok {
		e.note(transports.Warning, subject, anew,
			"Queue %s gives up messages after a number of deliveries, and workers that are replaced count as such: %s.", queue, why)
	}
	delete(told, "x-max-length")
	delete(told, "x-delivery-limit")
	if len(told) > 0 {
		e.note(transports.Warning, subject, anew, "Queue %s was declared without what this version declares, or otherwise: %s.",
			queue, strings.Join(slices.Sorted(maps.Keys(told)), ", "))
	}
}

// publishes finds out whether the broker takes messages, with one that it can give to
// nobody and so returns.
func (e *examination) publishes() error {
	const subject = "messages"
	patience := e.timing.giveUp + time.Second
	ended := make(chan error, 1)
	go func() {
		err := onChannel(e.session.conn, func(ch *amqp.Channel) error { return e.probe(ch, e.names.rpc()) })
		if isFault(err, amqp.NotFound) { // it is not there yet
			err = onChannel(e.session.conn, func(ch *amqp.Channel) error { return e.probe(ch, amqp.DefaultExchange) })
		}
		ended <- err
	}()
	var err error
	select {
	case err = <-ended:
	case <-time.After(patience):
		why, _ := e.session.isBlocked()
		e.note(transports.Trouble, subject, "Look at its memory and its disk; it takes messages again when there is room.",
			"The broker takes none: one that it should have returned has been with it for %v%s.", patience, map[bool]string{true: ", and it says: " + why}[why != ""])
		e.session.lose(errors.New("it takes no messages"))
		<-ended
		return nil
	}
	fault, ok := errors.AsType[*amqp.Error](err)
	switch {
	case err == nil:
		e.note(transports.Fine, subject, "", "The broker takes them.")
	case ok && fault.Server && fault.Code == amqp.AccessRefused:
		e.rights(reason(fault))
	default:
		return err
	}
	return nil
}

// probe returns when the broker has returned a message for nobody.
func (e *examination) probe(ch *amqp.Channel, exchange string) error {
	returned := ch.NotifyReturn(make(chan amqp.Return, 1))
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	message := amqp.Publishing{Headers: amqp.Table{headerDestination: ""}}
	if err := ch.PublishWithContext(e.ctx, exchange, e.names.of("journeyman.nobody"), true, false, message); err != nil {
		return err
	}
	if _, ok := <-returned; ok {
		return nil
	}
	if fault := <-closed; fault != nil {
		return fault
	}
	return amqp.ErrClosed
}
