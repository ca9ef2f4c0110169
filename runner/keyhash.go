package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/journeyman-go/journeyman/gateway"
)

var (
	keyName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	scopeForm = regexp.MustCompile(`^[!#-+\--\[\]-~]+$`) // RFC 6749, section 3.3, less the comma, which separates entries
)

// parseKey reads NAME:SHA256[:SCOPE SCOPE…]. Its error shows no more of it than the name.
func parseKey(entry string) (key gateway.Key, err error) {
	name, rest, _ := strings.Cut(entry, ":")
	digits, scopes, _ := strings.Cut(rest, ":")
	if !keyName.MatchString(name) {
		return key, errors.New("the name before the first colon must be 1 to 64 letters, digits, dots, hyphens and underscores")
	}
	hash, err := hex.DecodeString(strings.TrimSpace(digits))
	if err != nil || len(hash) != sha256.Size {
		return key, fmt.Errorf("behind %s: must stand a SHA-256 of 64 hexadecimal digits", name)
	}
	key = gateway.Key{Name: name, Hash: [sha256.Size]byte(hash), Scopes: strings.Fields(scopes)}
	if key.Hash == sha256.Sum256(nil) || bytes.Count(hash, hash[:1]) == len(hash) {
		return key, fmt.Errorf("the SHA-256 of %s is that of no key", name)
	}
	for _, scope := range key.Scopes {
		if !scopeForm.MatchString(scope) {
			return key, fmt.Errorf("a scope of %s has a character that is none of printable ASCII, or a quote, a backslash or a comma", name)
		}
	}
	slices.Sort(key.Scopes)
	return key, nil
}

// checkKeys returns what is wrong with JOURNEYMAN_API_KEY_HASHES, or "".
func (c *Config) checkKeys() string {
	hashes := map[[sha256.Size]byte]string{}
	for _, plain := range c.APIKeys {
		hashes[sha256.Sum256([]byte(plain))] = "JOURNEYMAN_API_KEYS"
	}
	scopes := map[string][]string{}
	for i, entry := range c.APIKeyHashes {
		key, err := parseKey(string(entry))
		if err != nil {
			return fmt.Sprintf("entry %d: %v", i+1, err)
		}
		if other := hashes[key.Hash]; other != "" {
			return fmt.Sprintf("entry %d: the key of %s is also that of %s", i+1, key.Name, other)
		}
		if others, twice := scopes[key.Name]; twice && !slices.Equal(others, key.Scopes) {
			return fmt.Sprintf("entry %d: %s has another key with other scopes; two keys of one name are for changing one for the other", i+1, key.Name)
		}
		hashes[key.Hash], scopes[key.Name] = key.Name, key.Scopes
	}
	return ""
}
