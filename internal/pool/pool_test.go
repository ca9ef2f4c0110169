package pool

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A job that waits holds up none of the others, and goroutines that are there are used
// again.
func TestPool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var begun []int
		running := 0
		p := New(func(i int) {
			mu.Lock()
			begun = append(begun, i)
			running++
			mu.Unlock()
			if i >= 100 {
				time.Sleep(time.Second)
			}
			mu.Lock()
			running--
			mu.Unlock()
		})
		begin := func(jobs ...int) {
			begun = nil
			for _, job := range jobs {
				p.Do(job)
			}
			synctest.Wait()
			if slices.Sort(begun); !slices.Equal(begun, jobs) {
				t.Fatalf("begun: %v, want %v", begun, jobs)
			}
		}
		for range 3 { // the second and the third time find goroutines that rest
			begin(1, 2, 3)
			begin(100, 101, 102)
			if running != 3 {
				t.Fatalf("%d jobs run, want all 3 that wait", running)
			}
			begin(4)
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(p.idle); n != 4 {
				t.Fatalf("%d goroutines rest, want the 4 that there were at most", n)
			}
		}
		begin(103)
		p.Close() // also what runs and what waits is done; the bubble ends when every goroutine has
		begin(5)
		time.Sleep(time.Second)
	})
}

// A job may end its goroutine; the others are run by other ones.
func TestGoexit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var run atomic.Int32
		p := New(func(ends bool) {
			run.Add(1)
			if ends {
				runtime.Goexit()
			}
		})
		defer p.Close()
		jobs := []bool{true, false, true, true, false}
		for range 3 {
			run.Store(0)
			for _, ends := range jobs {
				p.Do(ends)
			}
			synctest.Wait()
			if n := int(run.Load()); n != len(jobs) {
				t.Fatalf("%d jobs have run, want %d", n, len(jobs))
			}
		}
	})
}
