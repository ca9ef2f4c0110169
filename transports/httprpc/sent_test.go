package httprpc

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

// The request of our callers, byte for byte where docs/wire.md promises it.
func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	p := newPeer(t, func(n int, c *peerConn) {
		for c.next() {
			c.reply("")
		}
	})
	tr := caller(t, "http://"+p.addr+"/apps/shop/", func(o *Options) { o.Keys = []string{"new-key", "old-key"} })
	_, err := call(t, tr, transports.Message{
		ID: "id-1", Key: "order 42", Method: "add", Body: []byte("[1]"),
		Header: map[string]string{"traceparent": "00-a-b-01"}, Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Send(patient(t), "calculator", transports.Message{ID: "id-2", Header: map[string]string{"principal": "Zoë"}}); err != nil {
		t.Fatal(err)
	}
	if err := tr.Send(patient(t), "calculator", transports.Message{ID: "id-3", Header: map[string]string{"x-request-id": "r1"}}); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.Join(p.requests(), ""), "\r\n")
	for i, line := range got {
		if ms, ok := strings.CutPrefix(line, headerTimeout+": "); ok {
			if len(ms) != len("3599999") && ms != "3600000" {
				t.Errorf("an hour is %s ms", ms)
			}
			got[i] = headerTimeout + ": an hour"
		}
	}
	want := []string{
		"POST /apps/shop/rpc/calculator HTTP/1.1", "Host: " + p.addr, "User-Agent: journeyman", "Content-Type: application/json",
		"Content-Length: 3", "Authorization: Bearer new-key", "Journeyman-Id: id-1", "Journeyman-Method: add", "Idempotency-Key: order%2042",
		"Journeyman-Timeout: an hour", "traceparent: 00-a-b-01", "",
		"[1]POST /apps/shop/rpc/calculator HTTP/1.1", "Host: " + p.addr, "User-Agent: journeyman", "Content-Type: application/json",
		"Content-Length: 0", "Authorization: Bearer new-key", "Prefer: respond-async", "Journeyman-Id: id-2",
		"Journeyman-Header-principal: Zo%C3%AB", "",
		"POST /apps/shop/rpc/calculator HTTP/1.1", "Host: " + p.addr, "User-Agent: journeyman", "Content-Type: application/json",
		"Content-Length: 0", "Authorization: Bearer new-key", "Prefer: respond-async", "Journeyman-Id: id-3", "x-request-id: r1", "", "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("on the wire (-want +got):\n%s", diff)
	}
}

func TestHeadersOverTheLimit(t *testing.T) {
	t.Parallel()
	tr := caller(t, "http://127.0.0.1:1", nil)
	_, err := call(t, tr, transports.Message{Header: map[string]string{"big": strings.Repeat("x", mostHeader)}})
	if !errors.Is(err, transports.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

// On a new connection there is nothing to blame but the server: it is not asked twice.
func TestUnsentOnANewConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	connections := make(chan int, 8)
	p := newPeer(t, func(n int, c *peerConn) {
		connections <- n
		_, _ = c.Read(make([]byte, 1)) // and is gone, with the rest unread
	})
	tr := caller(t, "http://"+p.addr, nil)
	_, err := call(t, tr, transports.Message{Body: make([]byte, 8<<20)})
	if !errors.Is(err, transports.ErrUnavailable) || errors.Is(err, transports.ErrUnknownOutcome) {
		t.Errorf("error %v, want ErrUnavailable: no server can have read it", err)
	}
	if n := len(connections); n != 1 {
		t.Errorf("it took %d connections, want 1", n)
	}
}

// What comes after a reply, be it a second one, is not taken for the reply to the next request.
func TestSurplusRepliesAreForNobody(t *testing.T) {
	t.Parallel()
	p := newPeer(t, func(n int, c *peerConn) {
		for c.next() {
			body := fmt.Sprint("connection ", n)
			c.say("%s", strings.Repeat(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body), 2))
		}
	})
	tr := caller(t, "http://"+p.addr, nil)
	for n := range 3 {
		if got, err := call(t, tr, transports.Message{}); got != fmt.Sprint("connection ", n) {
			t.Errorf("Call %d returned %q and error %v, want the reply on a new connection", n, got, err)
		}
	}
}
