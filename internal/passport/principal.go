package passport

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ShortestKey is the length in bytes below which an HMAC-SHA-256 is weaker than its hash
// (RFC 7518, section 3.2).
const ShortestKey = 32

// Lifetime is how long a principal holds. It is long because it has to hold for as long
// as the request may wait: for a worker, for a later attempt, among the dead letters for
// somebody to retry it. A call ends at its own deadline, which the broker keeps. What
// ends the validity of all of them at once is to take their key away.
const Lifetime = 30 * 24 * time.Hour

// header begins every principal: {"alg":"HS256","typ":"journeyman-principal+jwt"}. It is
// compared as it stands: there is no algorithm to choose, and no other token that was
// signed with the same secret passes for one.
const header = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImpvdXJuZXltYW4tcHJpbmNpcGFsK2p3dCJ9"

// Errors of Verify. None of them holds any of the token.
var (
	ErrForged  = errors.New("the principal is not signed with any of the keys here")
	ErrExpired = errors.New("the principal is too old")
	ErrAstray  = errors.New("the principal was made for another service")
)

// Keys sign principals and verify them. The first one signs, each verifies.
type Keys [][]byte

// NewKeys makes keys of secrets.
func NewKeys(secrets ...string) Keys {
	var k Keys
	for _, s := range secrets {
		k = append(k, []byte(s))
	}
	return k
}

type claims struct {
	Subject  string `json:"sub"`
	Scope    string `json:"scope,omitempty"` // with spaces between them (RFC 8693, section 4.2)
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"` // Unix seconds
}

// Sign returns a principal for a request to one service: a JWT (RFC 7519), so that
// workers in other languages verify it with a library. It panics without a key.
func (k Keys) Sign(service, subject string, scopes []string) string {
	payload, err := json.Marshal(claims{subject, strings.Join(scopes, " "), service, time.Now().Add(Lifetime).Unix()})
	if err != nil {
		panic(err) // strings and a number
	}
	text := header + "." + base64.RawURLEncoding.EncodeToString(payload)
	return text + "." + seal(k[0], text)
}

// Verify returns what Sign was given, if one of the keys has signed the token, for this
// service, and not too long ago.
func (k Keys) Verify(service, token string) (subject string, scopes []string, err error) {
	text, signature, found := cutLast(token)
	payload, is := strings.CutPrefix(text, header+".")
	if !found || !is || !k.sealed(text, signature) {
		return "", nil, ErrForged
	}
	var c claims
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("read a principal: %w", err)
	case c.Audience != service:
		return "", nil, ErrAstray
	case time.Now().Unix() >= c.Expires:
		return "", nil, ErrExpired
	}
	return c.Subject, strings.Fields(c.Scope), nil
}

func (k Keys) sealed(text, signature string) bool {
	for _, key := range k {
		if hmac.Equal([]byte(signature), []byte(seal(key, text))) {
			return true
		}
	}
	return false
}

func seal(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func cutLast(token string) (text, signature string, found bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return "", "", false
	}
	return token[:i], token[i+1:], true
}
