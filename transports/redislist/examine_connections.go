package redislist

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/journeyman-go/journeyman/transports"
)

// connections compares what the plan needs with what the broker gives.
func (e *examination) connections() error {
	list := e.conn.client.ClientList(e.ctx)
	if err := list.Err(); err != nil && !answered(err) {
		return err
	}
	used, ours := e.number("connected_clients"), int64(0)
	if list.Err() == nil {
		used, ours = connected(list.Val())
	}
	limit, _ := strconv.ParseInt(e.setting("maxclients", "maxclients"), 10, 64)
	e.idle()
	if used == 0 && limit == 0 {
		return nil // the broker tells nothing of the kind, and that it tells nothing is noted
	}

	const subject, advice = "connections", "Run fewer processes, or take a plan with more connections."
	budget := e.budget()
	found := fmt.Sprintf("%d in use", used)
	if limit > 0 {
		found = fmt.Sprintf("%d of %d in use", used, limit)
	}
	if list.Err() == nil && used > ours {
		found += fmt.Sprintf(", %d of them by other programs", used-ours)
	}
	if budget.text != "" {
		found += "; " + budget.text
	}
	others := used - ours
	switch turned := e.number("rejected_connections"); {
	case limit == 0:
		e.note(transports.Warning, subject, "Compare that with the limit of your plan.", "%s. The broker does not tell its limit.", found)
	case others+budget.least > limit:
		e.note(transports.Trouble, subject, advice, "%s: that does not fit.", found)
	case others+2*budget.most > limit:
		e.note(transports.Warning, subject, advice, "%s, and up to %d while a deploy runs old and new beside each other.", found, 2*budget.most)
	case budget.most == 0 && used*5 >= limit*4:
		e.note(transports.Warning, subject, advice, "%s: few are left.", found)
	case turned > 0:
		e.note(transports.Warning, subject, advice, "%s. Since its start the broker has turned %s away.", found, plural(turned, "connection"))
	default:
		e.note(transports.Fine, subject, "", "%s.", found)
	}
	return nil
}

// A budget is how many connections the plan needs: the least if its processes only
// serve, or only call, the most if each does both.
type budget struct {
	least, most int64
	text        string // "" where nobody knows how many processes there are
}

func (e *examination) budget() budget {
	n := int64(e.plan.Processes)
	if n == 0 {
		return budget{}
	}
	b := budget{least: n * int64(Connections(true, false)), most: n * int64(Connections(true, true))}
	b.text = fmt.Sprintf("the %s of the plan need %d to %d", processes(n), b.least, b.most)
	return b
}

func processes(n int64) string {
	if n == 1 {
		return "process"
	}
	return fmt.Sprintf("%d processes", n)
}

// connected counts the lines of CLIENT LIST, and those that journeyman opened.
func connected(list string) (all, ours int64) {
	for line := range strings.Lines(list) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		all++
		if strings.Contains(line, " name=journeyman:") {
			ours++
		}
	}
	return all, ours
}

// idle finds a broker that hangs up before this transport's next sign of life.
func (e *examination) idle() {
	seconds, _ := strconv.Atoi(e.config["timeout"])
	if least := int(e.timing.idle.Seconds()) + 5; seconds > 0 && seconds < least {
		e.note(transports.Warning, "idle timeout", fmt.Sprintf("Set its timeout to 0, or to %d seconds or more.", 2*least),
			"The broker closes connections that are idle for %d s, and processes speak every %.0f s at least: they reconnect again and again.", seconds, e.timing.idle.Seconds())
	}
}
