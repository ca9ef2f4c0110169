package runner

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/gateway"
)

var keyForm = regexp.MustCompile(`^jm_[0-9a-f]{64}$`)

func TestKeyCommand(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_TIMEOUT": "nonsense"}) // it needs nothing of what is set
	s := newSite()
	seen := map[string]bool{}
	for range 3 {
		var made struct{ Key, Entry string }
		got := s.run(t, "key", "--json", "--scope", "b", "--scope", "a b", "shop")
		if err := json.Unmarshal([]byte(got.Stdout), &made); err != nil || got.Code != 0 || got.Stderr != "" {
			t.Fatalf("%v: %+v", err, got)
		}
		if !keyForm.MatchString(made.Key) || seen[made.Key] || made.Entry != hashed("shop", made.Key, "a b") {
			t.Errorf("made %+v", made)
		}
		seen[made.Key] = true
		key, err := parseKey(made.Entry)
		if err != nil {
			t.Fatal(err)
		}
		who, err := gateway.Keys{key}.Authenticate(t.Context(), made.Key)
		if err != nil || who.Subject != "shop" || !who.Has("a") || who.Has("c") {
			t.Errorf("the key is that of %+v, %v", who, err)
		}
	}
}

// What it prints to copy works as it stands.
func TestKeyCommandPrintsAnOrder(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	got := s.run(t, "key", "--scope", "it's:$HOME", "shop")
	parts := regexp.MustCompile(`(?s)^The key of shop, .*\n    (jm_\S+)\n.*\n    (shop:.*?)\n.*\n    (heroku config:set .*)\n$`).FindStringSubmatch(got.Stdout)
	if got.Code != 0 || parts == nil {
		t.Fatalf("%+v", got)
	}
	key, entry, order := parts[1], parts[2], parts[3]
	if entry != hashed("shop", key, "it's:$HOME") {
		t.Errorf("the entry is %s", entry)
	}
	const heroku = `heroku() { if [ "$1" = config:get ]; then echo before:123; else printf '%s\n' "$@"; fi; }; `
	out, err := exec.CommandContext(t.Context(), "sh", "-c", heroku+order).CombinedOutput()
	if want := "config:set\nJOURNEYMAN_API_KEY_HASHES=before:123," + entry + "\n"; err != nil || string(out) != want {
		t.Errorf("%v: the shell makes of it\n%s\nwant\n%s", err, out, want)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "key wants the name of who is to have it: app key NAME"},
		{[]string{"a", "b"}, "key wants the name"},
		{[]string{"two words"}, `name "two words": want 1 to 64 letters`},
		{[]string{"--scope", "a\"b", "shop"}, "want printable ASCII"},
	} {
		got := s.run(t, append([]string{"key"}, tt.args...)...)
		if got.Code != 2 || got.Stdout != "" || !strings.Contains(got.Stderr, tt.want) {
			t.Errorf("%q: %+v, want %q", tt.args, got, tt.want)
		}
	}
}
