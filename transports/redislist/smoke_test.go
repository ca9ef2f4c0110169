package redislist

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

func TestSmoke(t *testing.T) {
	o := Options{URL: "redis://127.0.0.1:7399", Namespace: "smoke", Catalogue: []string{"calculator"}}
	w, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- w.Serve(ctx, transports.Service{Name: "calculator", Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
			return transports.Outcome{Reply: append([]byte("re:"), m.Body...)}
		}})
	}()
	cctx, ccancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer ccancel()
	reply, err := c.Call(cctx, "calculator", transports.Message{Body: []byte("hello")})
	fmt.Println(string(reply), err)
	for _, n := range []int{1, 64, 256} {
		var wg sync.WaitGroup
		start := time.Now()
		total := 20000
		if n == 1 {
			total = 3000
		}
		for range n {
			wg.Go(func() {
				for range total / n {
					if _, err := c.Call(cctx, "calculator", transports.Message{Body: []byte("hello")}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		fmt.Println(n, float64(total)/time.Since(start).Seconds(), "calls/s")
	}
	fmt.Printf("%+v\n%+v\n", w.Counts(), c.Counts())
	cancel()
	s := time.Now()
	fmt.Println(<-done, time.Since(s))
	w.Close()
	c.Close()
}
