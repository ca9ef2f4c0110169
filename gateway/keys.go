package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// A Key is an API key of which only the hash is known. SHA-256 without salt or stretching
// is enough for keys of 256 random bits, which nobody can try out. It is not for passwords.
type Key struct {
	Name   string            // who has it: the subject of the principal
	Hash   [sha256.Size]byte // of the key as it is shown
	Scopes []string          // what it may do; "*" is everything
}

// PlainKey returns a key that may do everything, and is named after its hash.
func PlainKey(key string) Key {
	hash := sha256.Sum256([]byte(key))
	return Key{Name: "key:" + hex.EncodeToString(hash[:4]), Hash: hash, Scopes: []string{"*"}}
}

// Keys are the API keys that open the gateway.
type Keys []Key

// Authenticate compares with all keys, so that the time it takes tells nothing about them.
func (keys Keys) Authenticate(_ context.Context, credential string) (*jsonrpc.Principal, error) {
	hash := sha256.Sum256([]byte(credential))
	found := -1
	for i := range keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], keys[i].Hash[:]), i, found)
	}
	if found < 0 {
		return nil, ErrUnknown
	}
	return &jsonrpc.Principal{Subject: keys[found].Name, Scopes: keys[found].Scopes}, nil
}
