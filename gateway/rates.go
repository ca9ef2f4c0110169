package gateway

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// mostBuckets bounds the memory for rates, beyond those who are full and so need none.
const mostBuckets = 1 << 16

// rates give each of many callers a bucket of tokens that fills by itself. Nothing is
// shared with other processes.
type rates struct {
	limit rate.Limit // tokens each second
	burst int        // what a full bucket holds

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	sweep   int // the number of buckets at which those that are full are forgotten
}

func newRates(perSecond float64, burst int) *rates {
	return &rates{limit: rate.Limit(perSecond), burst: burst, buckets: map[string]*rate.Limiter{}, sweep: 1 << 10}
}

// take takes n tokens from somebody's bucket, all or none. It returns how long it is
// until there are so many, or 0 if it has them.
func (r *rates) take(who string, n int) (wait time.Duration) {
	n = min(n, r.burst) // more would never be there
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[who]
	if b == nil {
		r.makeRoom()
		b = rate.NewLimiter(r.limit, r.burst)
		r.buckets[who] = b
	}
	if b.AllowN(time.Now(), n) {
		return 0
	}
	return r.until(b, n)
}

// lacks returns how long it is until there is a token in somebody's bucket; 0: there is.
func (r *rates) lacks(who string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[who]
	if b == nil {
		return 0
	}
	return r.until(b, 1)
}

func (r *rates) until(b *rate.Limiter, n int) time.Duration {
	missing := float64(n) - b.Tokens()
	if missing <= 0 {
		return 0
	}
	return max(time.Nanosecond, time.Duration(missing/float64(r.limit)*float64(time.Second)))
}

// makeRoom forgets full buckets, as a new one is full, too. If there are too many even
// so, it forgets half of them: to those whose it was, that is a gift.
func (r *rates) makeRoom() {
	if len(r.buckets) < r.sweep {
		return
	}
	for who, b := range r.buckets {
		if b.Tokens() >= float64(r.burst) {
			delete(r.buckets, who)
		}
	}
	for who := range r.buckets {
		if r.sweep < mostBuckets || len(r.buckets) <= mostBuckets/2 {
			break
		}
		delete(r.buckets, who)
	}
	r.sweep = max(1<<10, min(2*len(r.buckets), mostBuckets))
}

// allow counts a request against the rate of who sends it, of an address where nobody is
// asked, and each member of a batch as a call. If it returns false, it has answered.
func (g *gateway) allow(w http.ResponseWriter, r *http.Request, who *jsonrpc.Principal, q question) bool {
	if g.rates == nil {
		return true
	}
	wait := g.rates.take(g.whose(r, who), max(1, len(q.requests)))
	if wait > 0 {
		rateLimited(w, q, wait, fmt.Sprintf("more than %v calls per second", float64(g.rates.limit)))
	}
	return wait <= 0
}

// whose names the caller whose a request is.
func (g *gateway) whose(r *http.Request, who *jsonrpc.Principal) string {
	if who == nil {
		return "from " + g.network(r)
	}
	return "who " + who.Subject
}

// rateLimited answers that a request comes too soon.
func rateLimited(w http.ResponseWriter, q question, wait time.Duration, why string) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	q.refuse(w, http.StatusTooManyRequests, jsonrpc.Errorf(CodeRateLimited, "%s; nothing was begun", why))
}
