package gateway

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestStreamsOfOneCaller(t *testing.T) {
	t.Parallel()
	var s streams
	var end func()
	for n := range mostStreams {
		var ok bool
		if end, ok = s.begin("ada"); !ok {
			t.Fatalf("stream %d is refused", n+1)
		}
	}
	if _, ok := s.begin("ada"); ok {
		t.Error("there is no end of them")
	}
	if _, ok := s.begin("bob"); !ok {
		t.Error("another caller's are refused")
	}
	end()
	if _, ok := s.begin("ada"); !ok {
		t.Error("when one has ended there is no room for another")
	}
}

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
