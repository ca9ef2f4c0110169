package httprpc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/journeyman-go/journeyman/transports"
)

// BenchmarkCall compares a call with what a program would do that uses net/http
// directly and checks nothing: `go test -run - -bench Call ./transports/httprpc`.
func BenchmarkCall(b *testing.B) {
	body := []byte(add)
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint("callers=", callers, "/transport"), func(b *testing.B) {
			s := newSite()
			p := s.start(b, Options{Catalogue: []string{"calculator"}}, nil)
			ctx, stop := context.WithCancel(context.Background())
			served := make(chan error, 1)
			go func() { served <- p.Serve(ctx, transports.Service{Name: "calculator", Handler: echo}) }()
			for p.at() == "" {
				continue
			}
			tr := s.start(b, Options{Services: map[string]string{"calculator": "http://" + p.at()}}, func(inner *internals) {
				inner.dial = realInternals().dial
			})
			parallel(b, callers, func() error {
				_, err := tr.Call(ctx, "calculator", transports.Message{Method: "add", Body: body})
				return err
			})
			stop()
			<-served
			tr.Close()
			p.Close()
		})
		b.Run(fmt.Sprint("callers=", callers, "/nethttp"), func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(body)
			}))
			defer server.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}
			defer client.CloseIdleConnections()
			parallel(b, callers, func() error {
				r, err := client.Post(server.URL+"/rpc/calculator", "application/json", bytes.NewReader(body))
				if err != nil {
					return err
				}
				defer r.Body.Close()
				_, err = io.ReadAll(r.Body)
				return err
			})
		})
	}
}

// parallel shares b.N among so many callers.
func parallel(b *testing.B, callers int, do func() error) {
	b.Helper()
	b.ReportAllocs()
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range work {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
