package redislist

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A job that waits holds up none of the others, and quick ones are done in their order.
func TestPool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []int
		running := 0
		var p pool[int]
		p.run = func(i int) {
			mu.Lock()
			order = append(order, i)
			running++
			mu.Unlock()
			if i >= 100 {
				time.Sleep(time.Second)
			}
			mu.Lock()
			running--
			mu.Unlock()
		}
		for round := range 3 { // the second and the third find goroutines that rest
			order = nil
			p.do(1, 2, 3)
			synctest.Wait()
			if !slices.Equal(order, []int{1, 2, 3}) {
				t.Fatalf("round %d: order %v", round, order)
			}
			p.do(100, 101)
			p.do(102)
			p.do()
			synctest.Wait()
			if running != 3 {
				t.Fatalf("round %d: %d jobs run, want all 3 that wait", round, running)
			}
			p.do(4)
			synctest.Wait()
			if got := order[len(order)-1]; got != 4 {
				t.Fatalf("round %d: the last job begun is %d", round, got)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(p.idle); n != 4 {
				t.Fatalf("round %d: %d goroutines rest, want the 4 that there were at most", round, n)
			}
		}
		p.do(103)
		p.close() // also what runs and what waits is done; the bubble ends when every goroutine has
		p.do(5)
		time.Sleep(time.Second)
		synctest.Wait()
		if !slices.Contains(order, 5) {
			t.Error("a job is lost at the end")
		}
	})
}
