package redislist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

var _ transports.Examiner = (*Transport)(nil)

// An examination is one look at a broker, on a connection of its own: the one for
// commands greets the broker as only those can who may do everything, and an
// examination is for the others, too.
type examination struct {
	*Transport
	ctx  context.Context
	conn *connection
	plan transports.Plan

	info     map[string]string // the answer to INFO; empty where a server hides it
	config   map[string]string // of settings, those that CONFIG GET told
	findings []transports.Finding
}

// Examine implements transports.Examiner. Where it returns an error it may have
// found something nevertheless, and then that explains the error.
func (t *Transport) Examine(ctx context.Context, plan transports.Plan) ([]transports.Finding, error) {
	if t.isClosed() {
		return nil, fmt.Errorf("examine broker: %w", transports.ErrClosed)
	}
	e := &examination{Transport: t, ctx: ctx, plan: plan}
	conn, err := t.dialer.connect(ctx, "")
	if err != nil {
		e.unconnected(err)
		return e.findings, e.fail(err)
	}
	defer conn.close()
	stop := context.AfterFunc(ctx, func() { _ = conn.socket.Close() })
	defer stop()
	e.conn = conn

	err = e.greet()
	for _, step := range []func() error{
		e.security, e.distance, e.ask, e.server, e.role, e.memory, e.persistence, e.connections, e.rights, e.keyTypes,
	} {
		if err != nil {
			break
		}
		err = step()
	}
	if err == nil || errors.Is(err, errEnough) {
		return e.findings, nil
	}
	return e.findings, e.fail(err)
}

// fail says in what way there is nothing to look at, or no longer.
func (e *examination) fail(err error) error {
	const doing = "examine broker"
	if e.ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, e.ctx.Err())
	}
	return fmt.Errorf("%s: %w", doing, unavailable(err))
}

// note adds a finding. Its text is a sentence, and so is the advice, "" if all is well.
func (e *examination) note(grade transports.Grade, subject, advice, found string, args ...any) {
	e.findings = append(e.findings, transports.Finding{
		Subject: subject, Grade: grade, Found: fmt.Sprintf(found, args...), Advice: advice,
	})
}

// unconnected explains a handshake that a broker without TLS took for a command: Redis
// waits for the end of its line, others hang up.
func (e *examination) unconnected(err error) {
	const subject, advice = "security", "If it does not expect TLS, begin its URL with redis:// instead of rediss://."
	_, refused := errors.AsType[*transports.RefusedError](err)
	switch {
	case refused || !strings.Contains(err.Error(), "TLS handshake"):
	case errors.Is(err, context.DeadlineExceeded):
		e.note(transports.Trouble, subject, advice, "It takes connections, and does not answer TLS.")
	default:
		e.note(transports.Trouble, subject, advice, "It does not answer as one that speaks TLS does: %v.", err)
	}
}

// greet says the first word, on which a broker that wants no client hangs up.
func (e *examination) greet() error {
	timer := time.AfterFunc(e.timing.connect, func() { _ = e.conn.socket.Close() })
	err := e.conn.client.Ping(e.ctx).Err()
	if inTime := timer.Stop(); !inTime && err != nil {
		return fmt.Errorf("broker accepts connections but has not answered for %v", e.timing.connect)
	}
	if err == nil || isDenied(err) {
		// Without PING there is enough to look at, but not where the library was
		// refused what it begins with.
		named := e.conn.client.Do(e.ctx, "CLIENT", "SETNAME", e.dialer.nameOf("doctor")).Err()
		if errors.Is(named, errUsedUp) {
			return explainGreeting(err)
		}
		if named != nil && !answered(named) {
			return named
		}
		return nil
	}
	why := e.conn.socket.refusal()
	switch {
	case strings.Contains(why, "max number of clients"):
		e.note(transports.Trouble, "connections", "Run fewer processes, or take a plan with more connections.",
			"The broker has no room for one more connection: %s.", why)
		return fmt.Errorf("greet broker: %s: %w", why, err)
	case answered(err):
		if strings.Contains(err.Error(), "LOADING") {
			e.note(transports.Trouble, "server", "Wait until it has loaded its data.", "It answers nothing yet: %v.", err)
		}
		return explainGreeting(err)
	case why != "":
		return explainGreeting(unheardError(why))
	case e.dialer.tls == nil && hungUp(err):
		e.note(transports.Trouble, "security", "If it expects TLS, begin its URL with rediss:// instead of redis://.",
			"It hung up without a word when it was spoken to without TLS (%v).", err)
	}
	return fmt.Errorf("greet broker: %w", err)
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// An unheardError is what the broker said before it hung up, and no command got for
// an answer.
type unheardError string

func (u unheardError) Error() string { return string(u) }

// RedisError makes it a redis.Error.
func (unheardError) RedisError() {}

// isDenied reports whether the broker's answer is that this user may not do that.
func isDenied(err error) bool { return err != nil && strings.Contains(err.Error(), "NOPERM") }

// exchange sends commands that leave together. Its error says that answers are
// missing; those that are errors are found in the commands.
func (e *examination) exchange(fill func(redis.Pipeliner)) error {
	cmds, err := e.conn.client.Pipelined(e.ctx, func(p redis.Pipeliner) error {
		fill(p)
		return nil
	})
	if err == nil {
		return nil
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !answered(err) {
			return err
		}
	}
	return nil
}

// distance measures the way to the broker, and by how much the clocks differ.
func (e *examination) distance() error {
	const tries = 5
	fastest, differ, told := time.Duration(0), time.Duration(0), false
	for range tries {
		before := time.Now()
		now, err := e.conn.client.Time(e.ctx).Result()
		if err != nil && !answered(err) {
			return err
		}
		took := time.Since(before)
		if fastest == 0 || took < fastest {
			fastest = took
			if told = err == nil; told {
				differ = now.Sub(before.Add(took / 2))
			}
		}
	}
	e.far(fastest)
	if told { // otherwise see rights, of which TIME is one
		e.clocks(differ, fastest)
	}
	return nil
}

// far judges how long a round trip takes.
func (e *examination) far(round time.Duration) {
	const most = 50 * time.Millisecond
	shown := round.Round(10 * time.Microsecond)
	if round > most {
		e.note(transports.Warning, "distance", "Put the broker where the app runs: into the same region.",
			"A round trip takes %v, and each call at least two.", shown)
		return
	}
	e.note(transports.Fine, "distance", "", "A round trip takes %v.", shown)
}

// clocks judges by how much the broker's clock is ahead of the one here, as far as
// could be measured in a round trip.
func (e *examination) clocks(ahead, round time.Duration) {
	const apart = 2 * time.Second
	if ahead.Abs() <= apart+round {
		e.note(transports.Fine, "clock", "", "The broker's agrees with the one here.")
		return
	}
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	e.note(transports.Warning, "clock", "Set the clock of this machine, or the broker's, by NTP.",
		"The broker's is %v %s the one here. Deadlines are kept, but a job for a certain time is run by the clock of whoever sent it.",
		ahead.Abs().Round(time.Second), direction)
}

// settings are what is asked for by CONFIG GET, which managed brokers often refuse.
func settings() []string {
	return []string{"maxmemory", "maxmemory-policy", "maxclients", "save", "appendfsync", "timeout", "min-replicas-to-write", "proto-max-bulk-len"}
}

// ask fills info and config.
func (e *examination) ask() error {
	var info *redis.StringCmd
	answers := make(map[string]*redis.MapStringStringCmd)
	err := e.exchange(func(p redis.Pipeliner) {
		info = p.Info(e.ctx)
		for _, name := range settings() {
			answers[name] = p.ConfigGet(e.ctx, name)
		}
	})
	if err != nil {
		return err
	}
	e.info, e.config = infoFields(info.Val()), make(map[string]string)
	for name, cmd := range answers {
		if value, ok := cmd.Val()[name]; ok {
			e.config[name] = value
		}
	}
	if len(e.info) == 0 {
		e.note(transports.Warning, "INFO", "Permit INFO to this user (+info), or look at version, memory policy and persistence where the broker is administered.",
			"The broker does not tell about itself: %v.", info.Err())
	}
	return nil
}

// number returns a field of INFO as a number, 0 where there is none.
func (e *examination) number(field string) int64 {
	n, _ := strconv.ParseInt(e.info[field], 10, 64)
	return n
}

// setting returns what CONFIG GET or, failing that, INFO tells of a setting; "" if neither.
func (e *examination) setting(name, field string) string {
	if value, ok := e.config[name]; ok {
		return value
	}
	return e.info[field]
}

// size shows a number of bytes.
func size(bytes int64) string {
	const unit = 1024
	switch {
	case bytes < unit:
		return fmt.Sprintf("%d B", bytes)
	case bytes < unit*unit:
		return fmt.Sprintf("%.0f KiB", float64(bytes)/unit)
	case bytes < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/unit/unit)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/unit/unit/unit)
}
