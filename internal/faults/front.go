package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A front is what stands between callers and workers where there is no broker: one
// address for the service, as a platform's router gives it. Each connection goes to
// one of the workers that listen and were not told to stop, by turns.
type front struct {
	world    *world
	listener net.Listener
	crawling atomic.Int64 // connections that send next to nothing; see crawl

	mu    sync.Mutex        // guards what follows
	ports map[string]string // by worker
	turn  int
}

// startFront gives the service an address and has everybody use it.
func (w *world) startFront() *front {
	f := &front{world: w, listener: w.listen(), ports: map[string]string{}}
	w.broker, w.url = f, "http://"+f.addr()
	w.cleanup(func() { _ = f.listener.Close() })
	go f.accept()
	return f
}

// port returns the PORT of a worker that is about to start.
func (f *front) port(worker string) string {
	l := f.world.listen()
	_ = l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	f.world.must(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ports[worker] = port
	return port
}

func (f *front) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		go f.join(client)
	}
}

// join passes everything on, both ways, until either side ends it.
func (f *front) join(client net.Conn) {
	server, err := f.reach()
	if err != nil {
		// A reset, so that the client does not take it for a server that hung up.
		_ = client.(*net.TCPConn).SetLinger(0)
		_ = client.Close()
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
}

// reach connects to the next worker that listens.
func (f *front) reach() (net.Conn, error) {
	alive := f.world.alive()
	f.mu.Lock()
	f.turn++
	turn := f.turn
	ports := maps.Clone(f.ports)
	f.mu.Unlock()
	for i := range alive {
		p := alive[(turn+i)%len(alive)]
		if p.stopping.Load() {
			continue
		}
		server, err := net.DialTimeout("tcp", "127.0.0.1:"+ports[p.name], time.Second)
		if err == nil {
			return server, nil
		}
	}
	return nil, fmt.Errorf("none of %d workers listens", len(alive))
}

func (f *front) addr() string { return f.listener.Addr().String() }

// serving asks the worker, as a platform does.
func (f *front) serving(p *worker) bool {
	f.mu.Lock()
	port := f.ports[p.name]
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(f.world.ctx, time.Second)
	defer cancel()
	u := url.URL{Scheme: "http", Host: "127.0.0.1:" + port, Path: "/readyz"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), strings.NewReader(""))
	f.world.must(err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// misfits wants who sends next to nothing to have been hung up on.
func (f *front) misfits(int) string {
	if n := f.crawling.Load(); n > 0 {
		return fmt.Sprintf("%d connections are held by who sends a byte a second", n)
	}
	return ""
}

// There is no broker, so nothing waits in one and none can be ended.

func (f *front) pid() int                 { return 0 }
func (f *front) waiting() int             { return 0 }
func (f *front) holding() []place         { return nil }
func (f *front) sample(string) string     { return "" }
func (f *front) deadLetters() []string    { return nil }
func (f *front) leftovers() []string      { return nil }
func (f *front) replies() replies         { return replies{} }
func (f *front) connections() int         { return 0 }
func (f *front) pause()                   { panic(halt{"there is no broker to pause"}) }
func (f *front) resume()                  {}
func (f *front) end(syscall.Signal) error { panic(halt{"there is no broker to end"}) }
func (f *front) revive()                  {}
