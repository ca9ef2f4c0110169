package redislist

import (
	"context"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

func TestServing(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	o := Options{URL: url, Namespace: namespace}
	viewer := process(t, o)
	old, young := process(t, o), process(t, o)
	for tr, methods := range map[*Transport][]string{old: {"add"}, young: {"add", "root"}} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- tr.Serve(ctx, transports.Service{Name: calculator, Handler: echo, Methods: methods})
		}()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	serving := func(method string) int {
		n, err := viewer.Serving(t.Context(), calculator, method)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "both to be seen", func() bool { return serving("add") == 2 })
	if n := serving("root"); n != 1 {
		t.Errorf("%d workers serve root, want 1", n)
	}
	if n := serving("subtract"); n != 0 {
		t.Errorf("%d workers serve subtract, want none", n)
	}
	young.die()
	eventually(t, "the dead one to be left out", func() bool { return serving("root") == 0 && serving("add") == 1 })
}

// A thousand that ask are one that looks.
func TestServingAsksOnce(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	client := redisAt(t, server.URL)
	tr := process(t, Options{URL: server.URL})
	start := time.Now()
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			for range 10 {
				if _, err := tr.Serving(t.Context(), calculator, "add"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	most := 1 + int(time.Since(start)/rollHolds)
	m := regexp.MustCompile(`cmdstat_hgetall:calls=(\d+)`).FindStringSubmatch(client.Info(t.Context(), "commandstats").Val())
	if m == nil {
		t.Fatal("nobody looked")
	}
	if n, _ := strconv.Atoi(m[1]); n > most {
		t.Errorf("the broker was asked %d times, want %d at most", n, most)
	}
}

// Whoever looks for all may go away before the answer; the others do not fail with it.
func TestServingOutlivesTheFirst(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	tr := process(t, Options{URL: server.URL})
	if err := tr.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	ask := func(ctx context.Context, answer chan<- error) {
		_, err := tr.Serving(ctx, calculator, "add")
		answer <- err
	}
	asked := func() bool {
		tr.crews.mu.Lock()
		defer tr.crews.mu.Unlock()
		return tr.crews.of[calculator] != nil
	}
	go ask(ctx, first)
	eventually(t, "the first to look", asked)
	waiting := &noticed{Context: t.Context(), waits: make(chan struct{})}
	go ask(waiting, second)
	<-waiting.waits
	cancel()
	if err := <-first; err == nil {
		t.Error("the first got an answer from a broker that stands still")
	}
	server.Resume()
	if err := <-second; err != nil {
		t.Errorf("the second: %v", err)
	}
}

// A noticed context tells when somebody waits for its end.
type noticed struct {
	context.Context

	once  sync.Once
	waits chan struct{}
}

func (n *noticed) Done() <-chan struct{} {
	n.once.Do(func() { close(n.waits) })
	return n.Context.Done()
}
