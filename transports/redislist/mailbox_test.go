package redislist

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

const aBox = "0123456789abcdef0123456789abcdef"

// What other languages see: the box is a reply list that is there before the reply,
// and lives as long as its caller wishes, whatever workers do.
func TestBoxOnTheWire(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client, ctx := redisAt(t, url), t.Context()
	tr := process(t, Options{URL: url, Namespace: namespace})
	box := "{" + namespace + ":journeyman}:r:01234567-89ab-cdef-0123-456789abcdef"
	expires := time.Now().Add(2 * time.Hour)
	submit := func() {
		t.Helper()
		m := transports.Message{ID: "id-1", Body: []byte("{}"), Expires: expires}
		if err := tr.Submit(ctx, calculator, aBox, m, 3*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	lives := func() time.Duration { return client.PTTL(ctx, box).Val() }
	submit()
	submit() // as after a hand-over whose answer was lost
	if n := client.LLen(ctx, tr.keys.queue(calculator)).Val(); n != 1 {
		t.Errorf("%d calls wait, want the one", n)
	}
	f := decode(client.LIndex(ctx, tr.keys.queue(calculator), 0).Val())
	if f.replyTo != box || f.ID != "id-1" {
		t.Errorf("the call wants its reply in %q, want %q", f.replyTo, box)
	}
	held := client.LRange(ctx, box, 0, -1).Val()
	slip := "Id: id-1\nExpires: " + strconv.FormatInt(f.Expires.UnixMilli(), 10) + "\n\n"
	if d := cmp.Diff([]string{slip}, held); d != "" {
		t.Errorf("the box (-want +got):\n%s", d)
	}
	const least = 5*time.Hour - time.Minute
	if lives() < least || lives() > 5*time.Hour+time.Minute {
		t.Errorf("the box goes in %v, want 5 h", lives())
	}
	serve(t, tr, echo)
	if got, err := tr.Collect(ctx, calculator, aBox, time.Minute); string(got) != "{}" || err != nil {
		t.Fatalf("Collect returned %q and error %v", got, err)
	}
	if held := client.LRange(ctx, box, 0, -1).Val(); len(held) != 2 || held[0] != "Id: id-1\n\n{}" || held[1] != slip {
		t.Errorf("the box holds %q, want the reply before the slip", held)
	}
	if lives() < least {
		t.Errorf("after the reply the box goes in %v, want 5 h", lives())
	}

	// A worker that answers a second time changes nothing.
	client.LPush(ctx, box, "Id: id-1\n\n{\"second\":true}")
	if got, err := tr.Collect(ctx, calculator, aBox, 0); string(got) != "{}" || err != nil {
		t.Errorf("after a second reply Collect returned %q and error %v", got, err)
	}
}

// A list that is no box is not shown to anybody, and a box that a stranger has made
// of it costs its owner nothing.
func TestOtherListsAreNoBoxes(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client, ctx := redisAt(t, url), t.Context()
	tr := process(t, Options{URL: url, Namespace: namespace})
	client.LPush(ctx, tr.keys.box(aBox), "Id: x\n\nsomebody's reply")
	if got, err := tr.Collect(ctx, calculator, aBox, 0); !errors.Is(err, transports.ErrNoBox) {
		t.Errorf("Collect returned %q and error %v, want ErrNoBox", got, err)
	}
	other := strings.Repeat("f", 32)
	client.Set(ctx, tr.keys.box(other), "x", time.Minute)
	if got, err := tr.Collect(ctx, calculator, other, 0); err == nil || errors.Is(err, transports.ErrPending) {
		t.Errorf("Collect from a string returned %q and error %v", got, err)
	}
}

// Workers of the article's form answer nobody who does not wait.
func TestArticleServicesHaveNoBoxes(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	tr := process(t, Options{URL: url, Namespace: namespace, ArticleServices: []string{"bare"}})
	m := transports.Message{Body: []byte("{}"), Expires: time.Now().Add(time.Hour)}
	if err := tr.Submit(t.Context(), "bare", aBox, m, time.Hour); !errors.Is(err, transports.ErrUnsupported) {
		t.Errorf("Submit returned error %v, want ErrUnsupported", err)
	}
}

// Those who wait for boxes take no connection, and are told of a broker that comes back.
func TestCollectWithoutBroker(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t, brokertest.AOF())
	tr := process(t, Options{URL: server.URL})
	m := transports.Message{Body: []byte("x"), Expires: time.Now().Add(time.Hour)}
	if err := tr.Submit(t.Context(), calculator, aBox, m, time.Hour); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	type result struct {
		body string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		body, err := tr.Collect(context.WithoutCancel(t.Context()), calculator, aBox, time.Minute)
		got <- result{string(body), err}
	}()
	for range 2 { // what fails now has failed for who waits, too
		if _, err := tr.Collect(t.Context(), calculator, aBox, 0); !errors.Is(err, transports.ErrUnavailable) {
			t.Errorf("without a broker Collect returned error %v, want ErrUnavailable", err)
		}
	}
	if len(got) > 0 {
		t.Fatalf("while there was no broker Collect returned %+v", <-got)
	}
	server.Restart()
	serve(t, tr, echo)
	if r := <-got; r.body != "x" || r.err != nil {
		t.Errorf("when the broker was back Collect returned %+v", r)
	}
}
