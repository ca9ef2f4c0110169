package redislist

import (
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// types returns what each key of a service must hold, where it is there at all.
func (k keys) types(service string) map[string]string {
	types := make(map[string]string)
	for _, key := range []string{k.workers(service), k.steady(service), k.former(service), k.delayed(service), k.retry(service), k.cancelled(service)} {
		types[key] = "zset"
	}
	for _, key := range []string{k.queue(service), k.suspects(service), k.alone(service), k.dead(service)} {
		types[key] = "list"
	}
	for _, key := range []string{k.turn(service), k.paused(service)} {
		types[key] = "string"
	}
	types[k.about(service)] = "hash"
	return types
}

// keyTypes finds keys of the services' that hold something else, somebody's cache say.
func (e *examination) keyTypes() error {
	wanted := map[string]string{e.keys.services(): "set"}
	for _, service := range e.plan.Services {
		maps.Copy(wanted, e.keys.types(service))
	}
	answers := make(map[string]*redis.StatusCmd)
	err := e.exchange(func(p redis.Pipeliner) {
		for key := range wanted {
			answers[key] = p.Type(e.ctx, key)
		}
	})
	if err != nil {
		return err
	}
	var foreign []string
	unseen := 0
	for key, cmd := range answers {
		switch kind := cmd.Val(); {
		case cmd.Err() != nil:
			unseen++
		case kind != "none" && kind != wanted[key]:
			foreign = append(foreign, fmt.Sprintf("%s is a %s and should be a %s", key, kind, wanted[key]))
		}
	}
	slices.Sort(foreign)
	const subject = "keys"
	switch {
	case len(foreign) > 0:
		e.note(transports.Trouble, subject, "Set JOURNEYMAN_NAMESPACE, to keep this app's keys apart from those of others.",
			"Names that the services need are taken: %s.", some(foreign))
	case unseen == 0:
		e.note(transports.Fine, subject, "", "No other program uses the names that the services need.")
	}
	return nil // what could not be seen is a matter of permissions
}
