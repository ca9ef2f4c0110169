package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// backup is the list in which the base worker keeps what it has in hand.
const backup = queue + ":backup"

// replyLife is how long a reply waits for its caller.
const replyLife = 30 * time.Second

// A baseRedis is the article's caller: LPUSH a request, BRPOP its id, a connection for
// each goroutine.
type baseRedis struct {
	client *redis.Client
	letter letter
	ids    *ids
}

func dialRedis(url string, connections int) (*redis.Client, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	o.PoolSize, o.MaxRetries = connections, -1
	o.PoolTimeout = time.Minute
	return redis.NewClient(o), nil
}

func openBaseRedis(t target) (caller, error) {
	client, err := dialRedis(t.URLs[0], t.Callers)
	if err != nil {
		return nil, err
	}
	return &baseRedis{client, t.Work.letter(), newIDs()}, nil
}

func (b *baseRedis) Close() error { return b.client.Close() }

func (b *baseRedis) call(ctx context.Context, _ int) error {
	id := b.ids.next()
	body, err := b.letter.request(id)
	if err != nil {
		return err
	}
	if err := b.client.LPush(ctx, queue, body).Err(); err != nil {
		return fmt.Errorf("push a request: %w", err)
	}
	found, err := b.client.BRPop(ctx, 25*time.Second, id).Result()
	if err != nil {
		return fmt.Errorf("wait for a reply: %w", err)
	}
	return b.letter.check(id, []byte(found[1]))
}

// workBaseRedis takes a request for each slot and keeps it in a backup list while it
// works on it: the article's worker, with the list that makes it reliable.
func workBaseRedis(t target, ready func()) error {
	ctx := context.Background()
	client, err := dialRedis(t.URLs[0], slots)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return err
	}
	ready()
	var running sync.WaitGroup
	for range slots {
		running.Go(func() {
			for {
				if err := serveBaseRedis(ctx, client); err != nil {
					fmt.Fprintln(os.Stderr, "base worker:", err)
				}
			}
		})
	}
	running.Wait()
	return nil
}

func serveBaseRedis(ctx context.Context, client *redis.Client) error {
	body, err := client.BLMove(ctx, queue, backup, "RIGHT", "LEFT", 0).Result()
	if err != nil {
		return err
	}
	id, reply := answer([]byte(body))
	if err := client.LRem(ctx, backup, 1, body).Err(); err != nil {
		return err
	}
	if err := client.RPush(ctx, id, reply).Err(); err != nil {
		return err
	}
	return client.Expire(ctx, id, replyLife).Err()
}
