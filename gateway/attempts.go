package gateway

import (
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// Wrong credentials from one address: so many at once, then so many each second.
	wrongAtOnce, wrongPerSecond = 20, 1

	// Lines of the log about wrong credentials, from all addresses together.
	linesAtOnce, linesPerSecond = 50, 1

	// How many credentials are remembered for having been right.
	mostTrusted = 1 << 12
)

// attempts slow down who tries out credentials, by address. What has been right from an
// address goes on to pass from there: others behind the same router, or with the same
// provider, may have an old key in some script.
type attempts struct {
	wrong *rates
	lines *rate.Limiter

	mu      sync.Mutex
	trusted map[[sha256.Size]byte]bool // of address and credential
	order   [][sha256.Size]byte        // of trusted, a ring
	next    int
}

func newAttempts() *attempts {
	return &attempts{
		wrong: newRates(wrongPerSecond, wrongAtOnce), lines: rate.NewLimiter(linesPerSecond, linesAtOnce),
		trusted: map[[sha256.Size]byte]bool{}, order: make([][sha256.Size]byte, mostTrusted),
	}
}

// An attempt is one credential from one address.
type attempt struct {
	all     *attempts
	address string
	sum     [sha256.Size]byte
}

func (a *attempts) visit(address, credential string) attempt {
	return attempt{a, address, sha256.Sum256([]byte(address + "\n" + credential))}
}

// barred returns how long it is until the credential is looked at; 0: it is.
func (a attempt) barred() time.Duration {
	wait := a.all.wrong.lacks(a.address)
	if wait > 0 && a.all.trusts(a.sum) {
		return 0
	}
	return wait
}

// passed remembers that the credential was right.
func (a attempt) passed() {
	all := a.all
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.trusted[a.sum] {
		return
	}
	delete(all.trusted, all.order[all.next])
	all.order[all.next], all.trusted[a.sum] = a.sum, true
	all.next = (all.next + 1) % mostTrusted
}

// failed counts a credential that was wrong, and reports whether to log it.
func (a attempt) failed() bool {
	return a.all.wrong.take(a.address, 1) <= 0 && a.all.lines.Allow()
}

func (a *attempts) trusts(sum [sha256.Size]byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trusted[sum]
}
