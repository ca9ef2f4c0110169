package redislist

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

func pushAlone(t *testing.T, client *redis.Client, tr *Transport, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := client.LPush(t.Context(), tr.keys.alone(calculator), "Deaths: 3\nId: "+body+"\n\n"+body).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// What is done and not yet settled would get a death along with what runs alone.
func TestAloneWaitsForSettlements(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	release, ran := make(chan struct{}), make(chan []string, 1)
	pushAlone(t, client, tr, "first", "second")
	serveSlots(t, tr, func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "first" {
			// Its settlement gets stuck behind this.
			blocked := make(chan struct{})
			tr.commands.addTask(&task{ctx: context.Background(), add: func(p redis.Pipeliner) redis.Cmder {
				close(blocked)
				<-release
				return p.Ping(context.Background())
			}, done: func(redis.Cmder, error) {}})
			<-blocked
			time.AfterFunc(100*time.Millisecond, func() { close(release) })
			return transports.Outcome{}
		}
		var held []string
		for _, key := range client.Keys(ctx, "*"+namespace+"*:w:*").Val() {
			held = append(held, client.LRange(ctx, key, 0, -1).Val()...)
		}
		ran <- held
		return transports.Outcome{}
	}, 4)
	select {
	case held := <-ran:
		if len(held) != 1 {
			t.Errorf("while it ran, the backup list held %q", held)
		}
	case <-time.After(patience):
		t.Fatal("the second one does not run")
	}
}

// Nothing is begun any more after a stop or a pause, and nothing is lost.
func TestAloneStops(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, tr *Transport, stop func() error){
		"stop": func(t *testing.T, _ *Transport, stop func() error) {
			if err := stop(); err != nil {
				t.Error(err)
			}
		},
		"pause": func(t *testing.T, tr *Transport, _ func() error) {
			if err := tr.Pause(t.Context(), calculator); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, namespace := brokertest.Namespace(t)
			client := redisAt(t, url)
			tr := process(t, Options{URL: url, Namespace: namespace})
			const all = 3000
			for i := range all {
				pushAlone(t, client, tr, fmt.Sprint("n", i))
			}
			var ran atomic.Int64
			stop := serveSlots(t, tr, func(context.Context, transports.Message) transports.Outcome {
				ran.Add(1)
				return transports.Outcome{}
			}, 4)
			eventually(t, "the first", func() bool { return ran.Load() > 0 })
			end(t, tr, stop)
			var settled int64
			eventually(t, "an end of it", func() bool {
				before := ran.Load()
				time.Sleep(2 * quick().beat) // would another begin?
				settled = before
				return ran.Load() == before
			})
			if settled == all {
				t.Fatal("all had run: nothing was stopped")
			}
			if left := client.LLen(t.Context(), tr.keys.alone(calculator)).Val(); left+settled != all {
				t.Errorf("%d ran and %d are left, of %d", settled, left, all)
			}
		})
	}
}

// A job that takes for ever keeps a message from being run alone, and nothing else.
func TestLongJobBesideAlone(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	finish, long := make(chan struct{}), make(chan struct{})
	alone := make(chan struct{}, 1)
	serveSlots(t, tr, func(ctx context.Context, m transports.Message) transports.Outcome {
		switch {
		case string(m.Body) == "long":
			close(long)
			<-finish
		case strings.HasPrefix(string(m.Body), "alone"):
			alone <- struct{}{}
		}
		return echo(ctx, m)
	}, 4)
	if err := tr.Send(t.Context(), calculator, transports.Message{Body: []byte("long")}); err != nil {
		t.Fatal(err)
	}
	<-long
	pushAlone(t, client, tr, "alone")
	eventually(t, "the worker to try", func() bool { return client.Exists(t.Context(), tr.keys.turn(calculator)).Val() == 1 })
	if reply, err := call(t, tr, "x"); err != nil || reply != "x" {
		t.Errorf("a call beside it returned %q, %v", reply, err)
	}
	if len(alone) > 0 {
		t.Error("it ran beside the long job")
	}
	close(finish)
	select {
	case <-alone:
	case <-time.After(patience):
		t.Error("it never runs")
	}
}
