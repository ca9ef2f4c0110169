package redislist

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// warnOfEviction says so if this broker drops data when its memory is full. Redis
// has a limit and a policy for that; managed ones often come with a cache's. It is
// asked with each greeting, since another broker may stand behind the name after a
// failover, and warned of once for each policy. A broker that does not tell is not
// complained about.
//
// Greetings come one after the other, so nothing guards what it remembers.
func (t *Transport) warnOfEviction(ctx context.Context, client *redis.Client) {
	fields := infoFields(client.Info(ctx, "memory").Val())
	limit, policy := fields["maxmemory"], fields["maxmemory_policy"]
	if policy == "" {
		return
	}
	warning := evictionWarning(limit, policy)
	if warning == "" {
		policy = ""
	}
	if policy != "" && policy != t.evicts {
		t.log.Warn(warning, "maxmemory", limit, "maxmemory_policy", policy)
	}
	t.evicts = policy
}

func evictionWarning(limit, policy string) string {
	const remedy = ": set its maxmemory-policy to noeviction"
	switch {
	case limit == "" || limit == "0":
		return "" // it grows for as long as its machine lets it
	case strings.HasPrefix(policy, "allkeys-"):
		return "when its memory is full, the broker may evict queues, and what waits in them is lost" + remedy
	case strings.HasPrefix(policy, "volatile-"):
		return "when its memory is full, the broker may evict replies and the claims of unique and deduplicated messages" + remedy
	}
	return ""
}

// infoFields reads an answer to INFO. It is empty where a server hides it.
func infoFields(info string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}
