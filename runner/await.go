package runner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

const (
	pingFor     = 5 * time.Second // how long one attempt may take
	firstPause  = 250 * time.Millisecond
	longestWait = 5 * time.Second // between attempts
	remindEvery = time.Minute     // while there is no broker: often enough to be seen, seldom enough to be read
)

// besideBroker returns run with a watch beside it that says when the broker
// answers, and ends run, with the reason, if the broker refuses this process.
func (s *session) besideBroker(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancelCause(ctx)
		var watch sync.WaitGroup
		watch.Go(func() {
			if refusal := s.awaitBroker(ctx); refusal != nil {
				cancel(refusal)
			}
		})
		err := run(ctx)
		cancel(nil)
		watch.Wait()
		if refusal, ok := errors.AsType[*transports.RefusedError](context.Cause(ctx)); ok {
			return refusal
		}
		return err
	}
}

// awaitBroker returns when the broker answers, or ctx ends; with an error only if
// it answers that it refuses. Until then it says, now and again, that there is
// none; the transport itself goes on trying for ever.
func (s *session) awaitBroker(ctx context.Context) error {
	pinger, ok := s.transport.(transports.Pinger)
	if !ok || s.overHTTP() { // where other services may start later than this one
		return nil
	}
	var (
		pause  = firstPause
		remind time.Time
	)
	for {
		try, stop := context.WithTimeout(ctx, pingFor)
		err := pinger.Ping(try)
		stop()
		_, refused := errors.AsType[*transports.RefusedError](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			s.log.Info("ready")
			return nil
		case refused:
			return err
		case !time.Now().Before(remind):
			remind = time.Now().Add(remindEvery)
			s.log.Warn("not ready: no broker answers yet; trying again until one does", s.withHint("url", redactURL(s.env.broker.url), "err", err)...)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause + rand.N(pause)):
			pause = min(2*pause, longestWait)
		}
	}
}

// withHint adds how to get a broker; on platforms it is not for the process to say.
func (s *session) withHint(attrs ...any) []any {
	if s.env.platform.name != "" {
		return attrs
	}
	return append(attrs, "hint", s.howToGetBroker())
}

// howToGetBroker is for somebody whose broker does not answer.
func (s *session) howToGetBroker() string {
	if s.env.broker.transport == onRabbitMQ { // which "start" does not bring
		return "start it, or set JOURNEYMAN_URL to one that runs"
	}
	return fmt.Sprintf("set JOURNEYMAN_URL, or start one with %q", s.binary+" start")
}
