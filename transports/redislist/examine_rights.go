package redislist

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// A right is a command that processes send, with the keys of one purpose, as the
// broker's access control sees it. Redis checks what scripts do like everything else.
type right struct {
	command string   // "lpush", or "client|unblock" as access control writes subcommands
	keys    []string // what it is used on; none for those that need no key
	words   []any    // the whole command
	extra   string   // what goes without it; "" where nothing does
}

// rights returns all that processes need for one service, or, for the name "", what
// they need for none in particular.
func (k keys) rights(service string) []right {
	const nobody = "00000000-0000-0000-0000-000000000000"
	if service == "" {
		known, replies := k.services(), k.replies(nobody)
		return []right{
			command("time"), command("ping"), command("client|setname", "x"), command("script|load", "return 1"),
			command("client|id").without("a stopping worker takes 2 s longer"), command("client|unblock", 0).without("a stopping worker takes 2 s longer"),
			on(known, "sadd", "x"), on(known, "smembers"), on(known, "sismember", "x"),
			on(replies, "lpush", "x"), on(replies, "brpop", 1), on(replies, "rpop"), on(replies, "pexpire", 1), on(replies, "pttl"), on(replies, "lrange", -2, -1),
		}
	}
	queue, backup := k.queue(service), k.backup(service, nobody)
	move := on(queue, "blmove", backup, "RIGHT", "LEFT", 1)
	move.keys = []string{queue, backup}
	list := []right{
		move,
		{"evalsha", []string{queue, backup}, []any{"evalsha", pushScript.digest, 2, queue, backup}, ""},
		{"eval", []string{queue, backup}, []any{"eval", "return 1", 2, queue, backup}, "\"queues\", \"services\", \"dead\" and \"pause\" do not work"},
		{"lmove", []string{queue, backup}, []any{"lmove", queue, backup, "RIGHT", "LEFT"}, ""},
		on(backup, "lrange", 0, -1), on(backup, "lrem", 1, "x"), on(backup, "lpos", "x"), on(backup, "lindex", -1), on(backup, "lpush", "x"),
		on(queue, "lpush", "x"), on(queue, "rpush", "x"), on(queue, "lpop"), on(queue, "lrange", 0, 0), on(queue, "ltrim", 0, 0), on(queue, "llen"), on(queue, "type"),
	}
	for _, key := range []string{k.workers(service), k.steady(service), k.former(service), k.delayed(service), k.retry(service), k.cancelled(service)} {
		list = append(list, on(key, "zadd", 1, "x"), on(key, "zrem", "x"), on(key, "zscore", "x"), on(key, "zcard"), on(key, "zcount", 0, 1),
			on(key, "zrange", 0, -1), on(key, "zrangebyscore", 0, 1), on(key, "zremrangebyscore", 0, 1))
	}
	about := k.about(service)
	list = append(list, on(about, "hset", "x", "x"), on(about, "hget", "x"), on(about, "hdel", "x"), on(about, "hgetall"))
	for _, key := range []string{k.turn(service), k.paused(service), k.unique(service, "x"), k.kept(service, "x", "x")} {
		list = append(list, on(key, "set", "x"), on(key, "get"), on(key, "del"), on(key, "exists"), on(key, "pexpire", 1), on(key, "pttl"))
	}
	for _, key := range []string{k.suspects(service), k.alone(service), k.dead(service)} {
		list = append(list, on(key, "lpush", "x"), on(key, "lpop"))
	}
	return list
}

// command is a right to what needs no key.
func command(name string, args ...any) right {
	r := right{command: name}
	for word := range strings.SplitSeq(name, "|") {
		r.words = append(r.words, word)
	}
	r.words = append(r.words, args...)
	return r
}

// on is a right to a command with one key.
func on(key, name string, args ...any) right {
	return right{command: name, keys: []string{key}, words: append([]any{name, key}, args...)}
}

func (r right) without(extra string) right {
	r.extra = extra
	return r
}

// A refusal of access control, or of a broker that does not know a command.
type denial struct {
	right
	unknown bool // to the broker, or renamed there
	byKey   bool // the command is permitted, and not with that key
}

// rights finds commands and keys that this user may not use.
func (e *examination) rights() error {
	wanted := e.keys.rights("")
	for _, service := range e.plan.Services {
		wanted = append(wanted, e.keys.rights(service)...)
	}
	const subject = "permissions"
	user := cmp.Or(e.dialer.options.Username, "default") // who names nobody is that one
	answers, err := e.rehearse(wanted)
	if err != nil {
		return err
	}
	if answers == nil {
		if answers, err = e.dryRun(user, wanted); err != nil {
			return err
		}
	}
	if answers == nil {
		e.note(transports.Warning, subject, "Permit MULTI and DISCARD to this user (+multi +discard), and look again.",
			"Whether this user may do all that is needed cannot be found out without MULTI or ACL DRYRUN.")
		return nil
	}
	denials, refusal := judge(wanted, answers)
	e.noteDenials(user, denials)
	if refusal != "" && !slices.ContainsFunc(e.findings, explainsRefusal) {
		e.note(transports.Trouble, "writes", "Look at its memory, its disk and its log.", "The broker takes no messages at the moment: %s.", refusal)
	}
	return nil
}

// explainsRefusal reports whether a finding says already why messages are refused.
func explainsRefusal(f transports.Finding) bool {
	return f.Grade == transports.Trouble && slices.Contains([]string{"replication", "memory", "persistence"}, f.Subject)
}

// rehearse has the broker judge commands without running any: it looks at each
// when it is queued in a transaction, and that is then dropped. It returns what the
// broker said to each, or nil if it will not have transactions.
func (e *examination) rehearse(wanted []right) ([]string, error) {
	// That there is a transaction must be sure before the first command goes out that
	// would otherwise run. A second MULTI is refused, and only within one; so is
	// whatever needs no memory, by a full broker.
	first, second := e.conn.client.Do(e.ctx, "MULTI"), e.conn.client.Do(e.ctx, "MULTI").Err()
	switch err := cmp.Or(first.Err(), second); {
	case err != nil && !answered(err):
		return nil, err
	case second == nil, !strings.Contains(second.Error(), "nested") && !strings.HasPrefix(second.Error(), "OOM"):
		return nil, nil
	}
	answers, err := e.say(wanted, func(r right) []any { return r.words })
	if err != nil {
		return nil, err
	}
	if err := e.conn.client.Do(e.ctx, "DISCARD").Err(); err != nil && !answered(err) {
		return nil, err
	}
	return answers, nil
}

// dryRun is rehearse for administrators, who may ask (Redis 7).
func (e *examination) dryRun(user string, wanted []right) ([]string, error) {
	if err := e.conn.client.Do(e.ctx, "ACL", "DRYRUN", user, "PING").Err(); err != nil {
		if answered(err) {
			return nil, nil
		}
		return nil, err
	}
	return e.say(wanted, func(r right) []any { return append([]any{"ACL", "DRYRUN", user}, r.words...) })
}

// say sends a command for each right and returns the answers, be they errors.
func (e *examination) say(wanted []right, words func(right) []any) ([]string, error) {
	cmds := make([]*redis.Cmd, len(wanted))
	err := e.exchange(func(p redis.Pipeliner) {
		for i, r := range wanted {
			cmds[i] = p.Do(e.ctx, words(r)...)
		}
	})
	if err != nil {
		return nil, err
	}
	answers := make([]string, len(wanted))
	for i, cmd := range cmds {
		if answers[i], err = cmd.Text(); err != nil {
			answers[i] = err.Error()
		}
	}
	return answers, nil
}

// judge sorts what the broker said: refusals of one command or key, and the first
// of those that are about its own state, such as a full memory.
func judge(wanted []right, answers []string) (denials []denial, state string) {
	for i, said := range answers {
		low := strings.ToLower(said)
		switch {
		case said == "QUEUED" || said == "OK":
		case strings.Contains(low, "unknown command"), strings.Contains(low, "unknown subcommand"), strings.Contains(low, "not found"):
			denials = append(denials, denial{right: wanted[i], unknown: true})
		case strings.Contains(low, "permission"):
			denials = append(denials, denial{right: wanted[i], byKey: !strings.Contains(low, "to run the")})
		case state == "":
			state = said
		}
	}
	return denials, state
}

// noteDenials tells what is missing, and the rule that gives it.
func (e *examination) noteDenials(user string, denials []denial) {
	const subject = "permissions"
	who := "User " + user
	pick := func(fits func(denial) bool, of func(denial) []string) (list []string) {
		for _, d := range denials {
			if fits(d) {
				list = append(list, of(d)...)
			}
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	name := func(d denial) []string { return []string{d.command} }
	unknown := pick(func(d denial) bool { return d.unknown }, name)
	commands := pick(func(d denial) bool { return !d.unknown && !d.byKey && d.extra == "" }, name)
	extras := pick(func(d denial) bool { return !d.unknown && !d.byKey && d.extra != "" }, name)
	losses := pick(func(d denial) bool { return !d.unknown && !d.byKey && d.extra != "" }, func(d denial) []string { return []string{d.extra} })
	keys := pick(func(d denial) bool { return d.byKey && len(d.keys) == 1 }, func(d denial) []string { return d.keys })

	if len(unknown) > 0 {
		e.note(transports.Trouble, subject, "Use a broker that has them, under their own names.", "The broker does not know %s.", some(unknown))
	}
	if len(commands) > 0 {
		e.note(transports.Trouble, subject, "ACL SETUSER "+user+" +"+strings.Join(commands, " +"), "%s may not use %s.", who, some(commands))
	}
	if len(keys) > 0 {
		e.note(transports.Trouble, subject, "ACL SETUSER "+user+" ~"+strings.Join(e.keys.patterns(e.plan.Services), " ~"), "%s may not use the keys %s.", who, some(keys))
	}
	if len(extras) > 0 {
		e.note(transports.Warning, subject, "ACL SETUSER "+user+" +"+strings.Join(extras, " +"), "%s may not use %s: %s.", who, some(extras), strings.Join(losses, "; "))
	}
	if len(denials) == 0 {
		e.note(transports.Fine, subject, "", "%s may do all that is needed.", who)
	}
}

// patterns returns, as access control writes them, the keys of these services.
func (k keys) patterns(services []string) []string {
	if k.prefix != "" {
		return []string{k.prefix + "*", "{" + k.prefix + "*"}
	}
	list := []string{k.services(), k.replyPrefix + "*"}
	for _, s := range services {
		list = append(list, k.queue(s), k.of(s, "*"))
	}
	return list
}

// some names the first few of a list.
func some(list []string) string {
	const shown = 6
	if len(list) > shown+1 {
		return strings.Join(list[:shown], ", ") + fmt.Sprintf(" and %d more", len(list)-shown)
	}
	return strings.Join(list, ", ")
}
