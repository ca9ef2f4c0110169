package gateway

import (
	"encoding/json"
	"slices"
	"testing"
)

// What is no word is no scope: signed and read again it would be several.
func TestScopesOfTokensAreWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`["Team * readers","ok"," *",""]`: {"ok"},
		`"a  b"`:                          {"a", "b"},
		`["a","b"]`:                       {"a", "b"},
	} {
		var got words
		if err := json.Unmarshal([]byte(text), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}
