package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const jsonType = "application/json"

// httpPath is where a base worker answers, the same as ours do.
const httpPath = "/rpc/" + queue

// A baseHTTP is net/http's client with a connection for each goroutine.
type baseHTTP struct {
	client *http.Client
	urls   []string
	letter letter
	ids    *ids
}

func openBaseHTTP(t target) (caller, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: t.Callers, MaxIdleConnsPerHost: t.Callers}}
	return &baseHTTP{client, t.URLs, t.Work.letter(), newIDs()}, nil
}

func (b *baseHTTP) Close() error {
	b.client.CloseIdleConnections()
	return nil
}

func (b *baseHTTP) call(ctx context.Context, n int) error {
	id := b.ids.next()
	body, err := b.letter.request(id)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.urls[n%len(b.urls)]+httpPath, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", jsonType)
	response, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read a reply: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP status %s", response.Status)
	}
	return b.letter.check(id, reply)
}

func workBaseHTTP(t target, ready func()) error {
	listener, err := net.Listen("tcp", t.Listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+httpPath, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, reply := answer(body)
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write(reply) // a caller that has gone misses nothing
	})
	ready()
	server := http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}
