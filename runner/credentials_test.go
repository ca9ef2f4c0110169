package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/gateway"
)

// hashed is the entry of a key.
func hashed(name, key, scopes string) string {
	sum := sha256.Sum256([]byte(key))
	entry := name + ":" + hex.EncodeToString(sum[:])
	if scopes != "" {
		entry += ":" + scopes
	}
	return entry
}

const longSecret = "a secret of at least 32 bytes...."

// Every fault is told, with what to do, and shows no secret.
func TestCredentialFaults(t *testing.T) {
	zeros := strings.Repeat("0", 64)
	for name, tt := range map[string]struct {
		env  map[string]string
		want string // of the one fault; "": there is none
	}{
		"all of it": {env: map[string]string{
			"JOURNEYMAN_API_KEYS": "plain", "JOURNEYMAN_API_KEY_HASHES": hashed("shop", "hunter2", "orders:read orders:write") + ", " + hashed("shop", "hunter3", "orders:write orders:read") + ",",
			"JOURNEYMAN_JWT_SECRET": longSecret + "," + longSecret + "2", "JOURNEYMAN_JWKS": "https://id.example/jwks",
			"JOURNEYMAN_JWT_ISSUER": "https://id.example", "JOURNEYMAN_JWT_AUDIENCE": "shop", "JOURNEYMAN_PRINCIPAL_KEYS": longSecret + "3", "JOURNEYMAN_RATE_LIMIT": "0.5",
		}},
		"a key for its hash":  {map[string]string{"JOURNEYMAN_API_KEY_HASHES": "hunter2"}, "JOURNEYMAN_API_KEY_HASHES .* entry 1: behind hunter2: must stand a SHA-256 of 64 hexadecimal digits$"},
		"a short hash":        {map[string]string{"JOURNEYMAN_API_KEY_HASHES": hashed("ok", "k", "") + ",shop:abcd"}, "JOURNEYMAN_API_KEY_HASHES .* entry 2: behind shop: must stand a SHA-256"},
		"no hexadecimal":      {map[string]string{"JOURNEYMAN_API_KEY_HASHES": "shop:" + strings.Repeat("x", 64)}, "JOURNEYMAN_API_KEY_HASHES .* behind shop: must stand"},
		"no name":             {map[string]string{"JOURNEYMAN_API_KEY_HASHES": ":" + zeros}, "JOURNEYMAN_API_KEY_HASHES .* the name before the first colon"},
		"a hash of nothing":   {map[string]string{"JOURNEYMAN_API_KEY_HASHES": hashed("shop", "", "")}, "JOURNEYMAN_API_KEY_HASHES .* the SHA-256 of shop is that of no key"},
		"zeros":               {map[string]string{"JOURNEYMAN_API_KEY_HASHES": "shop:" + zeros}, "JOURNEYMAN_API_KEY_HASHES .* the SHA-256 of shop is that of no key"},
		"a key twice":         {map[string]string{"JOURNEYMAN_API_KEY_HASHES": hashed("a", "k", "") + "," + hashed("b", "k", "")}, "JOURNEYMAN_API_KEY_HASHES .* entry 2: the key of b is also that of a$"},
		"a key of both kinds": {map[string]string{"JOURNEYMAN_API_KEYS": "k", "JOURNEYMAN_API_KEY_HASHES": hashed("a", "k", "")}, "JOURNEYMAN_API_KEY_HASHES .* the key of a is also that of JOURNEYMAN_API_KEYS$"},
		"other scopes":        {map[string]string{"JOURNEYMAN_API_KEY_HASHES": hashed("a", "k", "x") + "," + hashed("a", "l", "y")}, "JOURNEYMAN_API_KEY_HASHES .* entry 2: a has another key with other scopes"},
		"no scope":            {map[string]string{"JOURNEYMAN_API_KEY_HASHES": hashed("a", "k", `x"y`)}, "JOURNEYMAN_API_KEY_HASHES .* a scope of a has a character"},
		"commas":              {map[string]string{"JOURNEYMAN_API_KEY_HASHES": ",,"}, "JOURNEYMAN_API_KEY_HASHES holds commas and no key"},

		"a short secret":         {map[string]string{"JOURNEYMAN_JWT_SECRET": longSecret + ",hunter2"}, "JOURNEYMAN_JWT_SECRET .* want secrets of at least 32 bytes"},
		"a short principal key":  {map[string]string{"JOURNEYMAN_PRINCIPAL_KEYS": "hunter2"}, "JOURNEYMAN_PRINCIPAL_KEYS .* want secrets of at least 32 bytes"},
		"one secret for two":     {map[string]string{"JOURNEYMAN_PRINCIPAL_KEYS": longSecret, "JOURNEYMAN_JWT_SECRET": longSecret}, "JOURNEYMAN_PRINCIPAL_KEYS .* can pass for anybody"},
		"a key for two":          {map[string]string{"JOURNEYMAN_PRINCIPAL_KEYS": longSecret, "JOURNEYMAN_API_KEYS": longSecret}, "JOURNEYMAN_PRINCIPAL_KEYS .* can pass for anybody"},
		"keys in the clear":      {map[string]string{"JOURNEYMAN_JWKS": "http://id.example", "JOURNEYMAN_JWT_ISSUER": "i", "JOURNEYMAN_JWT_AUDIENCE": "a"}, "JOURNEYMAN_JWKS .* https://"},
		"no audience":            {map[string]string{"JOURNEYMAN_JWKS": "https://id.example", "JOURNEYMAN_JWT_ISSUER": "i"}, "JOURNEYMAN_JWT_AUDIENCE .* signs tokens for others"},
		"no issuer":              {map[string]string{"JOURNEYMAN_JWKS": "jwks.json", "JOURNEYMAN_JWT_AUDIENCE": "a"}, "JOURNEYMAN_JWT_ISSUER .* signs tokens for others"},
		"an issuer of no tokens": {map[string]string{"JOURNEYMAN_JWT_ISSUER": "i"}, "JOURNEYMAN_JWT_ISSUER .* no tokens are taken"},
		"a rate of no number":    {map[string]string{"JOURNEYMAN_RATE_LIMIT": "many"}, `JOURNEYMAN_RATE_LIMIT is "many", want a number`},
		"a rate below nothing":   {map[string]string{"JOURNEYMAN_RATE_LIMIT": "-1"}, "JOURNEYMAN_RATE_LIMIT .* 0 or more"},
		"a rate of NaN":          {map[string]string{"JOURNEYMAN_RATE_LIMIT": "NaN"}, "JOURNEYMAN_RATE_LIMIT .* 0 or more"},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t, tt.env)
			e := readEnvironment(".")
			if tt.want == "" {
				if len(e.faults)+len(e.warnings) > 0 {
					t.Errorf("faults %q, warnings %q", e.faults, e.warnings)
				}
				return
			}
			if len(e.faults) != 1 {
				t.Fatalf("faults are %q", e.faults)
			}
			matches(t, e.faults[0], tt.want)
			if name != "a key for its hash" && strings.Contains(e.faults[0], "hunter") {
				t.Errorf("a secret is shown: %s", e.faults[0])
			}
		})
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for entry, scopes := range map[string][]string{
		hashed("Shop.2_a-b", "k", ""):                       {},
		hashed("Shop.2_a-b", "k", "*"):                      {"*"},
		hashed("Shop.2_a-b", "k", " orders:write  a.b/c~ "): {"a.b/c~", "orders:write"},
		strings.ToUpper(hashed("", "k", ""))[:65]:           nil, // no name
	} {
		key, err := parseKey(entry)
		if scopes == nil {
			if err == nil {
				t.Errorf("%s is %+v", entry, key)
			}
			continue
		}
		if diff := gocmp.Diff(gateway.Key{Name: "Shop.2_a-b", Hash: sha256.Sum256([]byte("k")), Scopes: scopes}, key); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", entry, err, diff)
		}
	}
}

// Where others can reach the gateway it is closed until somebody says who may call.
func TestClosedGateway(t *testing.T) {
	t.Parallel()
	const set = "calls are refused until JOURNEYMAN_API_KEYS or another credential is set, as "
	for _, tt := range []struct {
		platform string
		config   Config
		want     string
	}{
		{"", Config{Port: 5000}, ""},
		{"", Config{Port: 5000, Bind: "127.0.0.1"}, ""},
		{"", Config{Port: 5000, Bind: "127.8.8.8"}, ""},
		{"", Config{Port: 5000, Bind: "::1"}, ""},
		{"", Config{Port: 5000, Bind: "0.0.0.0"}, set + "other machines can reach this gateway at 0.0.0.0:5000"},
		{"", Config{Port: 5000, Bind: "::"}, set + "other machines can reach this gateway at [::]:5000"},
		{"", Config{Port: 5000, Bind: "192.168.1.2"}, set + "other machines can reach this gateway at 192.168.1.2:5000"},
		{"Heroku", Config{}, set + "on Heroku everybody can reach this gateway"},
		{"Heroku", Config{Bind: "127.0.0.1"}, set + "on Heroku everybody can reach this gateway"}, // through a proxy beside it
		{"", Config{Bind: "0.0.0.0", APIKeys: []Secret{"k"}}, ""},
		{"Heroku", Config{APIKeys: []Secret{"k"}}, ""},
		{"Heroku", Config{APIKeyHashes: []Secret{"k"}}, ""},
		{"Heroku", Config{JWTSecret: []Secret{"k"}}, ""},
		{"Heroku", Config{JWKS: "k"}, ""},
		{"Heroku", Config{PrincipalKeys: []Secret{"k"}}, set + "on Heroku everybody can reach this gateway"},
	} {
		e := environment{config: tt.config, platform: platform{name: tt.platform}}
		if got := e.refusal(); got != tt.want {
			t.Errorf("on %q with %+v: %q, want %q", tt.platform, tt.config, got, tt.want)
		}
	}
}
