// Package pool has goroutines that are used again.
package pool

import "sync"

// A Pool runs jobs in goroutines that it keeps: a new one for each message would
// spend a quarter of a worker's time on growing its stack. A job may take as long as it
// likes, and may end its goroutine.
//
// One goroutine is woken for a whole batch. It wakes the next one before it begins
// its first job, and so on: while jobs are short they are done by the time that the
// next one runs, and where one waits the others go on beside it at once.
type Pool[T any] struct {
	run func(T)

	mu      sync.Mutex // guards what follows
	waiting []T        // from first on
	first   int
	idle    []chan struct{} // those of goroutines without a job; the last one has rested least
	waking  bool            // one is on its way to take a job
	closed  bool
}

// New returns a pool that runs each job by a call of run.
func New[T any](run func(T)) *Pool[T] { return &Pool[T]{run: run} }

// Do has a job run, and does not wait for it. Jobs are taken up in their order.
func (p *Pool[T]) Do(job T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, job)
	p.wakeLocked()
}

// Close lets the goroutines go as soon as nothing is left to do.
func (p *Pool[T]) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, wake := range p.idle {
		close(wake)
	}
	p.idle = nil
}

func (p *Pool[T]) wakeLocked() {
	if p.waking || p.first == len(p.waiting) {
		return
	}
	p.waking = true
	last := len(p.idle) - 1
	if last < 0 {
		go p.work()
		return
	}
	p.idle[last] <- struct{}{}
	p.idle = p.idle[:last]
}

func (p *Pool[T]) work() {
	wake := make(chan struct{}, 1)
	p.mu.Lock()
	for {
		p.waking = false
		for p.first < len(p.waiting) {
			job := p.nextLocked()
			p.wakeLocked()
			p.mu.Unlock()
			p.run(job)
			p.mu.Lock()
		}
		if p.closed {
			break
		}
		p.idle = append(p.idle, wake)
		p.mu.Unlock()
		if _, ok := <-wake; !ok {
			return
		}
		p.mu.Lock()
	}
	p.mu.Unlock()
}

func (p *Pool[T]) nextLocked() T {
	job := p.waiting[p.first]
	clear(p.waiting[p.first : p.first+1]) // it may be large
	if p.first++; p.first == len(p.waiting) {
		p.waiting, p.first = p.waiting[:0], 0
	}
	return job
}
