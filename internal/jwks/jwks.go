// Package jwks keeps the public keys of an identity provider at hand: a JSON Web Key Set
// (RFC 7517), from a URL or a file, that changes while we run.
package jwks

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// Often enough to forget soon a key that the provider has withdrawn.
	fresh = 15 * time.Minute

	// Between attempts while the provider cannot be reached: from, doubled, to.
	firstRetry, lastRetry = time.Second, time.Minute

	// A token with a key that is not known has the set fetched again, but not more
	// often than this: anybody can send such tokens.
	urgent = 30 * time.Second

	// How long a request waits for that.
	patience = 3 * time.Second

	timeout = 10 * time.Second // for one fetch
	maxSize = 1 << 20          // bytes of a set
)

// ErrNone means that no set has been read yet, so nothing can be said of any token.
var ErrNone = errors.New("the keys of the identity provider have not been read yet")

// A Set is a key set that Run keeps fresh. Once read, keys stay while the provider is
// down.
type Set struct {
	source string
	client *http.Client // nil: source is a file
	log    *slog.Logger
	wake   chan struct{}

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	read    bool
	asked   time.Time     // when a key that is not known last had the set fetched
	renewed chan struct{} // closed at the end of the fetch that was asked for; nil: none was
}

// Check returns why a set cannot be read from source: a https URL, a http URL on this
// machine, or the path of a file.
func Check(source string) error {
	scheme, _, isURL := strings.Cut(source, "://")
	if !isURL {
		return nil
	}
	u, err := url.Parse(source)
	switch {
	case err != nil || u.Hostname() == "":
		return errors.New("it is no URL")
	case u.User != nil:
		return errors.New("it has a user or a password, which key sets need not")
	case scheme == "https", scheme == "http" && isLocal(u.Hostname()):
		return nil
	case scheme == "http":
		return errors.New("it begins with http://, so whoever is on the way could put keys of his own into it; want https://")
	}
	return errors.New("want a URL that begins with https://, or a file")
}

func isLocal(host string) bool { return host == "localhost" || net.ParseIP(host).IsLoopback() }

// Open returns a set. It reads a file at once, and its error says what is wrong with it;
// a URL is left to Run.
func Open(source string, log *slog.Logger) (*Set, error) {
	if err := Check(source); err != nil {
		return nil, err
	}
	s := &Set{source: source, log: log, wake: make(chan struct{}, 1)}
	if !strings.Contains(source, "://") {
		return s, s.fetch(context.Background())
	}
	s.client = &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: timeout, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute},
		// It would lead past the rules for the address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// Run keeps the set fresh until ctx ends.
func (s *Set) Run(ctx context.Context) {
	if s.client != nil {
		defer s.client.CloseIdleConnections()
	}
	retry := firstRetry
	down := false
	for ctx.Err() == nil {
		err := s.fetch(ctx)
		s.settle()
		wait := fresh
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !down { // once for each time that it is down
				without := "those that were read before still hold"
				if s.Ready() != nil {
					without = "until then nobody can tell whose a token is, and calls with one get 503"
				}
				s.log.WarnContext(ctx, "the keys of the identity provider cannot be read; "+without, "from", s.source, "err", err)
			}
			down = true
			wait, retry = retry/2+rand.N(retry/2), min(2*retry, lastRetry)
		default:
			if down {
				s.log.InfoContext(ctx, "the keys of the identity provider are read again", "from", s.source)
			}
			down, retry = false, firstRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
		}
		timer.Stop()
	}
}

// Ready returns ErrNone until the set has been read.
func (s *Set) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.read {
		return ErrNone
	}
	return nil
}

// Find returns the keys of that id, or all where id is "": tokens need not name their
// key. For an id that it does not know it may wait until the set has been read again;
// none of that id is no error.
func (s *Set) Find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	found, err := s.find(id)
	if len(found) > 0 {
		return found, nil
	}
	renewed := s.renew()
	if renewed == nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-renewed:
	case <-ctx.Done():
	}
	return s.find(id)
}

func (s *Set) find(id string) (found []jose.JSONWebKey, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.read {
		return nil, ErrNone
	}
	for _, key := range s.keys {
		if id == "" || key.KeyID == id {
			found = append(found, key)
		}
	}
	return found, nil
}

// renew has the set read again, soon, and returns what is closed when that is done. It
// returns nil where that was done a moment ago.
func (s *Set) renew() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewed == nil && time.Since(s.asked) >= urgent {
		s.asked, s.renewed = time.Now(), make(chan struct{})
		select {
		case s.wake <- struct{}{}:
		default: // it is under way
		}
	}
	return s.renewed
}

// settle tells those who wait that a fetch is over, successful or not.
func (s *Set) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewed != nil {
		close(s.renewed)
		s.renewed = nil
	}
}
