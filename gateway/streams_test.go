package gateway_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/gateway"
)

// A caller may follow 32 tickets at once; that leaves the others', and what is asked for
// otherwise, alone.
func TestStreamsOfOneCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t)
		g := gateway.New(gateway.Options{Caller: y.open(t), AsyncTimeout: time.Hour, Log: quiet})
		r := postTo(t, g, "/rpc/calculator", add, header("Prefer", async))
		checkReceipt(t, r, async)
		<-y.came
		url, events := r.Header.Get("Location"), header("Accept", "text/event-stream")
		follow := func(from string) int {
			return postTo(t, g, url, "", method(http.MethodGet), events, func(r *http.Request) { r.RemoteAddr = from + ":1" }).StatusCode
		}
		var streams sync.WaitGroup
		for range 32 {
			streams.Go(func() {
				if status := follow("192.0.2.1"); status != http.StatusOK {
					t.Errorf("one of 32 streams is answered with %d", status)
				}
			})
		}
		streams.Go(func() {
			if status := follow("192.0.2.2"); status != http.StatusOK {
				t.Errorf("another caller's is answered with %d", status)
			}
		})
		synctest.Wait() // all of them wait
		if status := follow("192.0.2.1"); status != http.StatusTooManyRequests {
			t.Errorf("one more is answered with %d, want 429", status)
		}
		if status := postTo(t, g, url, "", method(http.MethodGet)).StatusCode; status != http.StatusAccepted {
			t.Errorf("a poll beside them is answered with %d, want 202", status)
		}
		y.release <- answer
		streams.Wait()
		if status := follow("192.0.2.1"); status != http.StatusOK {
			t.Errorf("when they have ended, one more is answered with %d", status)
		}
	})
}
