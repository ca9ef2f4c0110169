package redislist

import (
	"net/url"
	"strings"
)

// keys names everything that this transport keeps in Redis. A queue is named by
// its service, so that any language reaches it with LPUSH; what belongs to a
// queue carries its hash tag, so that scripts stay in one slot.
type keys struct {
	prefix      string // "" or "namespace:"
	replyPrefix string // of the reply lists
}

func newKeys(namespace string) keys {
	if namespace != "" {
		namespace += ":"
	}
	return keys{prefix: namespace, replyPrefix: "{" + namespace + "journeyman}:r:"}
}

// services is the set of announced names. No queue can have its name: services
// consist of letters alone.
func (k keys) services() string { return k.prefix + "journeyman::services" }

func (k keys) queue(service string) string { return k.prefix + service }

func (k keys) of(service, what string) string { return "{" + k.prefix + service + "}:" + what }

func (k keys) workers(service string) string { return k.of(service, "workers") } // uuid -> end of its lease
func (k keys) steady(service string) string  { return k.of(service, "steady") }  // uuid -> beating without a gap since
func (k keys) former(service string) string  { return k.of(service, "former") }  // uuid -> left or declared dead at
func (k keys) about(service string) string   { return k.of(service, "about") }   // uuid -> description, JSON
func (k keys) delayed(service string) string { return k.of(service, "delayed") } // message -> due at
func (k keys) retry(service string) string   { return k.of(service, "retry") }   // failed message -> due at
func (k keys) dead(service string) string    { return k.of(service, "dead") }    // buried messages, newest first

// Messages whose worker died, and those for which one more death would be too many.
func (k keys) suspects(service string) string { return k.of(service, "suspects") }
func (k keys) alone(service string) string    { return k.of(service, "alone") }
func (k keys) turn(service string) string     { return k.of(service, "turn") } // who may run one of the latter now, expires

func (k keys) paused(service string) string    { return k.of(service, "paused") }    // exists: take nothing
func (k keys) cancelled(service string) string { return k.of(service, "cancelled") } // message id -> its caller's deadline

func (k keys) unique(service, key string) string { return k.of(service, "u:") + key } // id of the message that waits, expires
// kept names the record of a deduplicated message. The method is escaped, so that
// no other pair of method and key has the same.
func (k keys) kept(service, method, key string) string {
	return k.of(service, "x:") + url.QueryEscape(method) + ":" + key
}                                            // claim or reply of a deduplicated message, expires
func (k keys) backups(service string) string { return k.of(service, "w:") } // prefix of the backup lists
func (k keys) backup(service, id string) string {
	return k.backups(service) + id
}

func (k keys) replies(id string) string { return k.replyPrefix + id }

// box names the list of one call's reply: its name, which has no hyphens, as a UUID is
// written, so that every worker takes it for a reply list.
func (k keys) box(name string) string {
	return k.replies(name[:8] + "-" + name[8:12] + "-" + name[12:16] + "-" + name[16:20] + "-" + name[20:])
}

// isReplies reports whether key has the form of a reply list: what a message
// names as its Reply-To may be nothing else.
func (k keys) isReplies(key string) bool {
	id, ok := strings.CutPrefix(key, k.replyPrefix)
	return ok && isUUID(id)
}

// isUUID reports whether s is a UUID as we write them: lower-case, with hyphens.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}
