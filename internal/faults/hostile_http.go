package main

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// pester sends what is no request of ours, or none at all, to the service's address,
// and keeps connections busy that send a byte now and then. It returns how much it was.
func (f *front) pester() (sent int) {
	w := f.world
	send := func(raw string) {
		sent++
		conn, err := net.DialTimeout("tcp", f.addr(), 5*time.Second)
		w.must(err)
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = conn.Write([]byte(raw)) // it may have been hung up on
		_, _ = conn.Read(make([]byte, 1024))
	}
	post := func(headers, body string) string {
		return fmt.Sprintf("POST /rpc/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s", service, headers, len(body), body)
	}
	const right = "Content-Type: application/json\r\n"
	const ping = `{"jsonrpc":"2.0","method":"rpc.ping","id":1}`
	for range pick(w, 100, 1000) {
		junk := make([]byte, w.chance.IntN(200))
		for i := range junk {
			junk[i] = byte(w.chance.UintN(256)) //nolint:gosec // it fits
		}
		send(string(junk) + "\r\n\r\n")
		send(post(right, string(junk)))
		send(post(right, `{"jsonrpc":"2.0",`+string(junk)+`}`))
	}
	for _, body := range odd() {
		send(post(right, body))
	}
	for _, headers := range []string{
		"", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n", right + "Journeyman-Timeout: soon\r\n",
		right + "Journeyman-Timeout: -1\r\n", right + "Journeyman-Timeout: 99999999999999999999\r\n", right + "Journeyman-Timeout: 0\r\n",
		right + "Journeyman-Id: \r\n", right + "Journeyman-Id: " + strings.Repeat("i", 10_000) + "\r\n", right + "Journeyman-Header-: x\r\n",
		right + "Journeyman-Header-x: %zz%0a%0d\r\n", right + "Journeyman-Header-key: k\r\n", right + "Content-Encoding: gzip\r\n", right + "Expect: 200-ok\r\n",
		right + strings.Repeat("X-Filler: "+strings.Repeat("f", 1000)+"\r\n", 100), right + "Transfer-Encoding: chunked\r\n",
	} {
		send(post(headers, ping))
	}
	for _, line := range []string{"GET /rpc/work", "PUT /rpc/work", "POST /rpc/", "POST /rpc/nobody", "POST /rpc/work/../work", "POST /", "DELETE /livez", "OPTIONS *", "POST //rpc//work"} {
		send(line + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	}
	send("POST /rpc/work HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{")
	return sent + f.crawl(pick(w, 100, 500))
}

// crawl opens connections that send a byte a second of a request until they are hung up
// on, which misfits waits for.
func (f *front) crawl(n int) int {
	w := f.world
	for i := range n {
		conn, err := net.DialTimeout("tcp", f.addr(), 5*time.Second)
		w.must(err)
		w.cleanup(func() { _ = conn.Close() })
		start := "POST /rpc/work HTTP/1.1\r\nHost: h\r\n"
		if i%2 == 1 { // half of them are slow over the body
			start += "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
		}
		counts := int64(0)
		if i%2 == 0 || !w.bench.short { // a body has half a minute
			counts = 1
		}
		f.crawling.Add(counts)
		go func() {
			defer f.crawling.Add(-counts)
			if _, err := conn.Write([]byte(start)); err != nil {
				return
			}
			ticker := time.NewTicker(time.Second)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
				case <-w.ctx.Done():
					return
				}
				if _, err := conn.Write([]byte("X")); err != nil {
					return
				}
			}
		}()
	}
	return n
}
