package gateway_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/gateway"
)

func TestRates(t *testing.T) {
	t.Parallel()
	auth := gateway.Keys{gateway.PlainKey("one"), gateway.PlainKey("two")}
	batch := func(n int) string { return "[" + strings.Repeat(add+",", n-1) + add + "]" }
	synctest.Test(t, func(t *testing.T) {
		sent := newCaller()
		c := client{t, gateway.New(gateway.Options{Caller: sent, Auth: auth, Rate: 10, Log: quiet})}
		const here = "192.0.2.1:1001"
		c.calls(20, here, "one", 200)
		if status, _ := c.call(here, "one", batch(30)); status != 200 { // the longest batch may come at once
			t.Errorf("a batch within the burst got %d", status)
		}
		for _, tt := range []struct{ body, retryAfter string }{{add, "1"}, {batch(2), "1"}, {batch(25), "3"}, {batch(50), "5"}} {
			if status, wait := c.call(here, "one", tt.body); status != 429 || wait != tt.retryAfter {
				t.Errorf("beyond it got %d, Retry-After %q, want %q", status, wait, tt.retryAfter)
			}
		}
		c.calls(50, here, "two", 200)
		if len(sent.sent) != 71 {
			t.Errorf("%d bodies were passed on, want 71", len(sent.sent))
		}
		time.Sleep(time.Second)
		c.calls(10, "192.0.2.9:1", "one", 200) // wherever it calls from
		c.calls(1, here, "one", 429)
		time.Sleep(time.Hour)
		c.calls(50, here, "one", 200) // no more than that is saved up
		c.calls(1, here, "one", 429)
	})
}

// Where nobody is asked who they are, an address is one caller.
func TestRateWithoutCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client{t, gateway.New(gateway.Options{Caller: newCaller(), Rate: 100, Log: quiet})}
		c.calls(100, "192.0.2.1:1", "", 200)
		c.calls(1, "192.0.2.1:2", "", 429)
		c.calls(100, "192.0.2.2:1", "", 200)
	})
}

func TestRateRefusals(t *testing.T) {
	t.Parallel()
	const failure = `"error":{"code":-32018,"message":"more than 0.5 calls per second; nothing was begun"}}`
	const note = `{"jsonrpc":"2.0","method":"log"}`
	for body, want := range map[string]string{
		add:                          `{"jsonrpc":"2.0","id":1,` + failure,
		note:                         `{"jsonrpc":"2.0","id":null,` + failure,
		"[" + add + "," + note + "]": `[{"jsonrpc":"2.0","id":1,` + failure + `]`,
	} {
		synctest.Test(t, func(t *testing.T) {
			auth := gateway.Keys{gateway.PlainKey("one")}
			g := gateway.New(gateway.Options{Caller: newCaller(), Auth: auth, Rate: 0.5, Log: quiet})
			client{t, g}.calls(50, "192.0.2.1:1", "one", 200)
			r := postTo(t, g, "/rpc/calculator", body, header("Authorization", "Bearer one"))
			check(t, r, 429, want)
			if r.Header.Get("Retry-After") == "" || r.Header.Get("Journeyman-Refused") != "busy" {
				t.Errorf("headers %v", r.Header)
			}
		})
	}
}

// What cannot be read as a question costs nothing.
func TestRateCountsQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client{t, gateway.New(gateway.Options{Caller: newCaller(), Rate: 1, Log: quiet})}
		for _, body := range []string{"{", "[" + strings.Repeat(add+",", 50) + add + "]"} {
			for range 60 {
				if status, _ := c.call("192.0.2.1:1", "", body); status == 200 || status == 429 {
					t.Fatalf("%.20s got %d", body, status)
				}
			}
		}
		c.calls(50, "192.0.2.1:1", "", 200)
	})
}
