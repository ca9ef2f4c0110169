package jwks

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/go-jose/go-jose/v4"
)

// fetch reads the set once. An error leaves the keys that are there.
func (s *Set) fetch(ctx context.Context) error {
	var text []byte
	var err error
	if s.client == nil {
		text, err = os.ReadFile(s.source)
	} else {
		text, err = s.download(ctx)
	}
	if err != nil {
		return err
	}
	keys, left, err := parse(text)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		s.log.DebugContext(ctx, "keys of the identity provider are of no use here", "from", s.source, "err", errors.Join(left...))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.read = keys, true
	return nil
}

func (s *Set) download(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.source, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers with %s", answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("it is longer than %d bytes", maxSize)
	}
	return text, err
}

// parse returns the keys of a set that verify signatures, and why others were left out:
// a set may hold what its reader cannot use (RFC 7517, section 5).
func parse(text []byte) (keys []jose.JSONWebKey, left []error, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, nil, fmt.Errorf("it is no key set: %w", err)
	}
	for i, raw := range set.Keys {
		var key jose.JSONWebKey
		err := json.Unmarshal(raw, &key)
		if err == nil {
			key, err = verifier(key)
		}
		if err != nil {
			left = append(left, fmt.Errorf("key %d: %w", i+1, err))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, nil, fmt.Errorf("it holds no key that could be used: %w", errors.Join(left...))
	}
	return keys, left, nil
}

// verifier returns the public half of a key for signatures. A secret that is shared has
// no place in what a provider shows to everybody, and would let anybody sign.
func verifier(key jose.JSONWebKey) (jose.JSONWebKey, error) {
	if key.Use != "" && key.Use != "sig" {
		return key, fmt.Errorf("it is for %q, not for signatures", key.Use)
	}
	public := key.Public()
	if !public.Valid() {
		return key, errors.New("it is no public key")
	}
	if k, is := public.Key.(*rsa.PublicKey); is && k.N.BitLen() < 2048 {
		return key, fmt.Errorf("an RSA key must have 2048 bits (RFC 7518, section 3.3), and this one has %d", k.N.BitLen())
	}
	return public, nil
}
