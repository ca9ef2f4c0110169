package redislist

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// errEnough ends an examination early: what follows would say the same once more.
var errEnough = errors.New("nothing can be done with this broker")

// server tells what stands there, and whether it is one that can be worked with.
func (e *examination) server() error {
	if len(e.info) == 0 {
		return nil // which is noted
	}
	const subject = "server"
	name := e.serverName()
	if up := time.Duration(e.number("uptime_in_seconds")) * time.Second; up > 0 {
		name += ", started " + time.Now().Add(-up).Format("2006-01-02 15:04")
	}
	switch err := checkServer(fmt.Sprintf("redis_version:%s\nredis_mode:%s", e.info["redis_version"], e.info["redis_mode"])); {
	case e.info["redis_mode"] == "sentinel":
		e.note(transports.Trouble, subject, "Set the address of the Redis that it watches, or of a proxy in front of it.", "%s is a Sentinel, which holds no data.", name)
		return errEnough
	case err != nil:
		found, advice, _ := strings.Cut(err.Error(), "; ")
		e.note(transports.Trouble, subject, capital(cmp.Or(advice, "Take another broker"))+".", "%s.", capital(found))
		return errEnough
	default:
		e.note(transports.Fine, subject, "", "%s.", name)
	}
	return nil
}

// serverName is what the server calls itself: the relatives of Redis tell the
// version of Redis with which they are compatible beside their own.
func (e *examination) serverName() string {
	for _, relative := range []string{"Valkey", "Dragonfly", "KeyDB"} {
		if version := e.info[strings.ToLower(relative)+"_version"]; version != "" {
			return relative + " " + version
		}
	}
	return "Redis " + cmp.Or(e.info["redis_version"], "of a version that it does not tell")
}

// role finds servers that take no writes.
func (e *examination) role() error {
	const subject = "replication"
	if e.info["role"] == "slave" {
		e.note(transports.Trouble, subject, "Set the address of the primary.",
			"This is a replica, of %s, which takes no messages.", e.info["master_host"]+":"+e.info["master_port"])
		return nil
	}
	wanted, _ := strconv.ParseInt(e.config["min-replicas-to-write"], 10, 64)
	if have := e.number("connected_slaves"); have < wanted {
		e.note(transports.Trouble, subject, "Bring the replicas back, or lower min-replicas-to-write.",
			"It refuses writes: %d of the %s that min-replicas-to-write asks for %s there.", have, plural(wanted, "replica"), are(have))
	}
	return nil
}

// memory looks at what happens when the broker is full, and how far off that is.
func (e *examination) memory() error {
	policy := e.setting("maxmemory-policy", "maxmemory_policy")
	limit, err := strconv.ParseInt(e.setting("maxmemory", "maxmemory"), 10, 64)
	if err != nil || policy == "" {
		if len(e.info) > 0 {
			e.note(transports.Warning, "eviction policy", "See that it is noeviction where the broker is administered.",
				"The broker tells neither its limit of memory nor what it does when that is reached.")
		}
		return nil
	}
	used := e.number("used_memory")
	switch warning := evictionWarning(strconv.FormatInt(limit, 10), policy); {
	case strings.HasPrefix(policy, "allkeys-") && warning != "":
		e.note(transports.Trouble, "eviction policy", adviceNoEviction,
			"It is %s with a limit of %s: a full broker deletes queues, with all that waits in them.", policy, size(limit))
	case warning != "":
		e.note(transports.Warning, "eviction policy", adviceNoEviction,
			"It is %s with a limit of %s: a full broker deletes replies, and what keeps unique and deduplicated messages from running twice.", policy, size(limit))
	default:
		e.note(transports.Fine, "eviction policy", "", "It is %s%s.", policy, map[bool]string{true: ", and without a limit nothing is evicted"}[limit == 0 && policy != "noeviction"])
	}
	const room = "Make room: see what waits with \"queues\", run more workers, or take a larger plan."
	switch share := float64(used) / float64(max(limit, 1)); {
	case limit == 0:
		e.note(transports.Fine, "memory", "", "%s in use, without a limit but its machine's.", size(used))
	case share >= 1:
		e.note(transports.Trouble, "memory", room, "It is full: %s in use, of %s.", size(used), size(limit))
	case share >= 0.8:
		e.note(transports.Warning, "memory", room, "It is filling up: %s in use, of %s.", size(used), size(limit))
	default:
		e.note(transports.Fine, "memory", "", "%s in use, of %s.", size(used), size(limit))
	}
	if most, err := strconv.ParseInt(e.config["proto-max-bulk-len"], 10, 64); err == nil && most < int64(e.options.MaxMessage) {
		e.note(transports.Trouble, "message size", "Raise proto-max-bulk-len, or lower JOURNEYMAN_MAX_MESSAGE.",
			"The broker takes values of %s, and messages may have %s.", size(most), size(int64(e.options.MaxMessage)))
	}
	return nil
}

const adviceNoEviction = `Set its maxmemory-policy to noeviction ("heroku redis:maxmemory --policy noeviction" on Heroku).`

// persistence tells what is left when the broker restarts.
func (e *examination) persistence() error {
	if len(e.info) == 0 {
		return nil
	}
	const subject = "persistence"
	replicas := e.number("connected_slaves")
	copies := ""
	if replicas > 0 {
		copies = fmt.Sprintf(" %s %s a copy.", capital(plural(replicas, "replica")), map[bool]string{true: "holds", false: "hold"}[replicas == 1])
	}
	if e.info["aof_last_write_status"] == "err" || e.info["rdb_last_bgsave_status"] == "err" {
		e.note(transports.Trouble, subject, "Look at its disk and its log.",
			"The last write to its disk did not succeed. Where stop-writes-on-bgsave-error is set, it takes no messages until one does.")
		return nil
	}
	if e.info["aof_enabled"] == "" {
		e.note(transports.Warning, subject, "Look where the broker is administered.", "The broker does not tell what it stores.")
		return nil
	}
	save, told := e.config["save"]
	lossy, keep := transports.Warning, "Switch its append-only file on (appendonly yes), or take a plan that keeps its data."
	if replicas > 0 {
		lossy, keep = transports.Fine, ""
	}
	switch {
	case e.info["aof_enabled"] == "1":
		loss := ""
		if e.config["appendfsync"] == "everysec" {
			loss = ", each second: a crash of its machine may lose as much"
		} else if fsync := e.config["appendfsync"]; fsync != "" {
			loss = " (appendfsync " + fsync + ")"
		}
		e.note(transports.Fine, subject, "", "It writes an append-only file%s.%s", loss, copies)
	case told && save == "":
		e.note(lossy, subject, keep, "It stores nothing: a restart forgets all that waits.%s", copies)
	case told:
		e.note(lossy, subject, keep, "It stores snapshots alone: a restart forgets what has come since the last one, of %s.%s", e.snapshot(), copies)
	default:
		e.note(lossy, subject, keep, "It writes no append-only file, and its last snapshot is of %s: a restart forgets what has come since.%s", e.snapshot(), copies)
	}
	return nil
}

// snapshot says when the last one was made. Redis gives its own start where there is none.
func (e *examination) snapshot() string {
	return time.Unix(e.number("rdb_last_save_time"), 0).UTC().Format("2006-01-02 15:04") + " UTC"
}

// plural shows a number of things.
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func are(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// capital begins a sentence.
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
