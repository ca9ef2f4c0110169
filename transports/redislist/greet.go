package redislist

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// greet prepares the line for commands: it checks the server, reads its clock,
// loads the scripts and announces this process's services.
func (t *Transport) greet(ctx context.Context, client *redis.Client) error {
	before := time.Now()
	now, err := client.Time(ctx).Result()
	if err != nil {
		return explainGreeting(err)
	}
	t.clock.set(now.UnixMilli(), before)
	if err := checkServer(client.Info(ctx, "server").Val()); err != nil {
		return err
	}
	t.warnOfEviction(ctx, client)
	_, err = client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, s := range []script{beatScript, promoteScript, sweepScript, answerScript, settleScript, claimScript, turnScript, leaveScript} {
			s.load(ctx, p)
		}
		for _, s := range []script{pushScript, uniqueScript, submitScript, releaseScript, cancelScript} {
			s.load(ctx, p)
		}
		if names := t.announcedNames(); len(names) > 0 {
			p.SAdd(ctx, t.keys.services(), names...)
		}
		return nil
	})
	// A full Redis refuses the announcement; workers must be able to drain it all the same.
	if err != nil && strings.Contains(err.Error(), "OOM") {
		t.log.Warn("broker is full, services not announced", "err", err)
		err = nil
	}
	return explainGreeting(err)
}

func (t *Transport) announcedNames() []any {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := make([]any, 0, len(t.announced))
	for name := range t.announced {
		names = append(names, name)
	}
	return names
}

// checkServer refuses servers on which the algorithm cannot work. info is the
// answer to INFO server, empty where a server hides it.
func checkServer(info string) error {
	fields := infoFields(info)
	if fields["redis_mode"] == "cluster" {
		return &transports.RefusedError{Err: errors.New("the broker is a node of a Redis Cluster, which is not supported; use a single Redis, with or without replicas")}
	}
	version := fields["redis_version"]
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return nil
	}
	major, _ := strconv.Atoi(parts[0])
	minor, _ := strconv.Atoi(parts[1])
	if major < 6 || major == 6 && minor < 2 {
		return &transports.RefusedError{Err: fmt.Errorf("the broker is Redis %s; 6.2 or newer is needed (LMOVE, BLMOVE)", version)}
	}
	return nil
}

// explainGreeting tells what only people can repair from what time repairs.
func explainGreeting(err error) error {
	if err == nil || !answered(err) {
		return err
	}
	for _, word := range []string{"WRONGPASS", "NOAUTH", "NOPERM", "invalid username-password", "invalid password", "Client sent AUTH", "AUTH <password> called without", "DB index is out of range", "invalid DB index", "DENIED"} {
		if strings.Contains(err.Error(), word) {
			return &transports.RefusedError{Err: err}
		}
	}
	return err
}
