package redislist

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

func TestUnique(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	ctx := t.Context()
	tr := process(t, Options{URL: url, Namespace: namespace})
	due := time.Now().Add(time.Hour)
	send := func(m transports.Message) {
		t.Helper()
		if err := tr.Send(ctx, calculator, m); err != nil {
			t.Fatal(err)
		}
	}
	length := func() int64 { return client.LLen(ctx, tr.keys.queue(calculator)).Val() }
	delayed := func() int64 { return client.ZCard(ctx, tr.keys.delayed(calculator)).Val() }

	const key = "report: 42 {a}" // what users write
	for _, id := range []string{"first", "second"} {
		send(transports.Message{ID: id, Unique: key})
		send(transports.Message{ID: id, Unique: key, NotBefore: due})
	}
	send(transports.Message{ID: "other", Unique: "another key"})
	if length() != 2 || delayed() != 0 || tr.Counts().Duplicates != 3 {
		t.Errorf("%d queued, %d delayed, %d dropped; want 2, 0, 3", length(), delayed(), tr.Counts().Duplicates)
	}
	first := decode(client.LRange(ctx, tr.keys.queue(calculator), -1, -1).Val()[0])
	if first.ID != "first" || first.Unique != key {
		t.Errorf("first in the queue is %+v", first.Message)
	}

	// The claim is its own message's to give up.
	for i, id := range []string{"second", "first"} {
		if err := tr.releaseUnique(ctx, calculator, transports.Message{ID: id, Unique: key}); err != nil {
			t.Fatal(err)
		}
		send(transports.Message{ID: "later", Unique: key, NotBefore: due})
		if delayed() != int64(i) {
			t.Errorf("%d delayed after the release by %s, want %d", delayed(), id, i)
		}
	}
	if score := client.ZScore(ctx, tr.keys.delayed(calculator), client.ZRange(ctx, tr.keys.delayed(calculator), 0, 0).Val()[0]).Val(); time.UnixMilli(int64(score)).Sub(due).Abs() > time.Minute {
		t.Errorf("due at %v, want %v", time.UnixMilli(int64(score)), due)
	}
	// Claims end by themselves.
	for key, want := range map[string]time.Duration{key: time.Hour + uniqueLife, "another key": uniqueLife} {
		if ttl := client.PTTL(ctx, tr.keys.unique(calculator, key)).Val(); ttl > want || ttl < want-time.Minute {
			t.Errorf("the claim of %q ends in %v, want %v", key, ttl, want)
		}
	}
	send(transports.Message{Unique: "short", NotBefore: due, Expires: due.Add(time.Minute)})
	if ttl := client.PTTL(ctx, tr.keys.unique(calculator, "short")).Val(); ttl <= 0 || ttl > time.Hour+time.Minute {
		t.Errorf("the claim of a message that expires ends in %v", ttl)
	}
	send(transports.Message{Unique: "expired", Expires: time.Now().Add(-time.Minute)})
}

// A full queue takes no unique message, and its key stays free.
func TestUniqueInFullQueue(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace, MaxQueue: 1})
	if err := tr.Send(t.Context(), calculator, transports.Message{}); err != nil {
		t.Fatal(err)
	}
	if err := tr.Send(t.Context(), calculator, transports.Message{Unique: "a"}); !errors.Is(err, transports.ErrBusy) {
		t.Errorf("Send to a full queue: %v, want ErrBusy", err)
	}
	client.Del(t.Context(), tr.keys.queue(calculator))
	if err := tr.Send(t.Context(), calculator, transports.Message{Unique: "a"}); err != nil || tr.Counts().Duplicates != 0 {
		t.Errorf("Send once there is room: %v, %d dropped", err, tr.Counts().Duplicates)
	}
}

func TestUniqueRefusals(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	tr := process(t, Options{URL: url, Namespace: namespace, ArticleServices: []string{"legacy"}})
	for _, key := range []string{strings.Repeat("x", mostUnique+1), "two\nlines", " padded", "a\x00b"} {
		if err := tr.Send(t.Context(), calculator, transports.Message{Unique: key}); err == nil || !strings.Contains(err.Error(), "unique key") {
			t.Errorf("Send with key %.20q: %v, want an error", key, err)
		}
	}
	if err := tr.Send(t.Context(), calculator, transports.Message{Unique: strings.Repeat("x", mostUnique)}); err != nil {
		t.Errorf("Send with the longest key: %v", err)
	}
	m := transports.Message{Unique: "a", Body: []byte(`{"id":1}`)}
	_, callErr := tr.Call(t.Context(), calculator, m)
	_, legacyErr := tr.Call(t.Context(), "legacy", m)
	later := transports.Message{NotBefore: time.Now().Add(time.Hour)}
	for what, err := range map[string]error{
		"Call": callErr, "Call legacy": legacyErr,
		"Send legacy": tr.Send(t.Context(), "legacy", m), "delayed Send legacy": tr.Send(t.Context(), "legacy", later),
	} {
		if !errors.Is(err, transports.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", what, err)
		}
	}
}

// A claim is given up although the broker is away at the moment.
func TestReleaseOutlastsBroker(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t, brokertest.AOF())
	tr := process(t, Options{URL: server.URL})
	m := transports.Message{ID: "a", Unique: "a"}
	if err := tr.Send(t.Context(), calculator, m); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	ctx, cancel := context.WithCancel(t.Context())
	released := make(chan error, 1)
	go func() { released <- tr.releaseUnique(t.Context(), calculator, m) }()
	givenUp := make(chan error, 1)
	go func() { givenUp <- tr.releaseUnique(ctx, calculator, m) }()
	eventually(t, "the broker to be missed", func() bool {
		return errors.Is(tr.Ping(t.Context()), transports.ErrUnavailable)
	})
	cancel()
	if err := <-givenUp; !errors.Is(err, context.Canceled) {
		t.Errorf("release whose ctx has ended: %v", err)
	}
	server.Restart()
	if err := <-released; err != nil {
		t.Error(err)
	}
	if n := redisAt(t, server.URL).Exists(t.Context(), tr.keys.unique(calculator, "a")).Val(); n != 0 {
		t.Error("the claim stands")
	}
}
