package redislist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// Workers of the article's form BRPOP a request that is nothing but JSON-RPC and
// push the reply to the list named by its id. They know no deadlines, no
// headers and no acknowledgement: a request that such a worker took when it died
// is lost, and its call ends at the caller's deadline.

func (t *Transport) isArticle(service string) bool {
	return slices.Contains(t.options.ArticleServices, service)
}

// callArticle sends a single request under an id that is fit to name a list, and
// gives the reply its own id back.
func (t *Transport) callArticle(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(m.Body, &members); err != nil || members["id"] == nil {
		return nil, fmt.Errorf("a service of the article's form takes single calls alone: %w", transports.ErrUnsupported)
	}
	id := strings.ReplaceAll(uuid.NewString(), "-", "")
	body, err := withID(members, json.RawMessage(`"`+id+`"`))
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	original := members["id"]

	pushed := make(chan error, 1)
	f := frame{bare: true, Message: transports.Message{Body: body}}
	p := t.push(service, f, true, func(err error) { pushed <- err })
	select {
	case err := <-pushed:
		if err != nil && !errors.Is(err, transports.ErrUnknownOutcome) {
			return nil, err
		}
	case <-ctx.Done():
		t.takeBack(ctx, p, "", m.Expires)
		return nil, ctx.Err()
	case <-t.closing:
		return nil, transports.ErrClosed
	}
	reply, err := t.poll(ctx, id)
	if err != nil {
		t.takeBack(ctx, p, "", m.Expires)
		return nil, err
	}
	members = nil
	if err := json.Unmarshal(reply, &members); err != nil {
		return nil, fmt.Errorf("reply is no JSON object: %w", err)
	}
	return withID(members, original)
}

func withID(members map[string]json.RawMessage, id json.RawMessage) ([]byte, error) {
	members = maps.Clone(members)
	members["id"] = id
	return json.Marshal(members)
}

// poll pops the reply. It asks again and again instead of blocking, which would
// take a connection for each call; questions of concurrent calls leave together.
func (t *Transport) poll(ctx context.Context, key string) ([]byte, error) {
	pause := 2 * time.Millisecond
	for {
		var reply []byte
		err := t.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder { return p.RPop(ctx, key) },
			func(cmd redis.Cmder) { reply, _ = cmd.(*redis.StringCmd).Bytes() })
		switch {
		case err == nil:
			return reply, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, transports.ErrClosed):
			return nil, err
		}
		// No reply yet, or no broker at the moment: the deadline decides.
		if err := wait(ctx, pause); err != nil {
			return nil, err
		}
		pause = min(pause*2, 100*time.Millisecond)
	}
}
