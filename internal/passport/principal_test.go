package passport_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/passport"
)

const oldKey, newKey = "an old key of at least 32 bytes..", "a new key of at least 32 bytes.."

func TestPrincipalTravels(t *testing.T) {
	t.Parallel()
	scopes := []string{"orders:read", "orders:write"}
	for name, tt := range map[string]struct {
		signs, verifies passport.Keys
		service         string
		err             error
	}{
		"same key":              {passport.NewKeys(newKey), passport.NewKeys(newKey), "orders", nil},
		"the verifier is ahead": {passport.NewKeys(oldKey), passport.NewKeys(newKey, oldKey), "orders", nil},
		"the signer is ahead":   {passport.NewKeys(newKey, oldKey), passport.NewKeys(oldKey, newKey), "orders", nil},
		"the key was taken":     {passport.NewKeys(oldKey), passport.NewKeys(newKey), "orders", passport.ErrForged},
		"no key":                {passport.NewKeys(oldKey), nil, "orders", passport.ErrForged},
		"another service":       {passport.NewKeys(newKey), passport.NewKeys(newKey), "payments", passport.ErrAstray},
	} {
		subject, got, err := tt.verifies.Verify(tt.service, tt.signs.Sign("orders", "zoë|7", scopes))
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", name, err, tt.err)
		}
		if tt.err == nil && (subject != "zoë|7" || !cmp.Equal(got, scopes)) {
			t.Errorf("%s: %q may %q", name, subject, got)
		}
		if tt.err != nil && (subject != "" || got != nil) {
			t.Errorf("%s: refused, and yet %q may %q", name, subject, got)
		}
	}
	if _, got, err := passport.NewKeys(newKey).Verify("orders", passport.NewKeys(newKey).Sign("orders", "bob", nil)); err != nil || len(got) > 0 {
		t.Errorf("without scopes it comes to %q, %v", got, err)
	}
}

func TestPrincipalGrowsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := passport.NewKeys(newKey)
		token := keys.Sign("orders", "bob", nil)
		time.Sleep(passport.Lifetime - time.Second)
		if _, _, err := keys.Verify("orders", token); err != nil {
			t.Errorf("before its end: %v", err)
		}
		time.Sleep(time.Second)
		if _, _, err := keys.Verify("orders", token); !errors.Is(err, passport.ErrExpired) {
			t.Errorf("at its end: %v", err)
		}
	})
}

func TestForgedPrincipals(t *testing.T) {
	t.Parallel()
	keys := passport.NewKeys(newKey)
	token := keys.Sign("orders", "bob", []string{"orders:read"})
	parts := strings.Split(token, ".")
	encode := base64.RawURLEncoding.EncodeToString
	admin := encode([]byte(`{"sub":"admin","scope":"*","aud":"orders","exp":99999999999}`))
	other, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(newKey)}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := jwt.Signed(other).Claims(map[string]any{"sub": "admin", "scope": "*", "aud": "orders", "exp": 99999999999}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	for name, forged := range map[string]string{
		"nothing":                        "",
		"no token":                       "admin",
		"other claims":                   parts[0] + "." + admin + "." + parts[2],
		"no signature":                   parts[0] + "." + parts[1] + ".",
		"alg none":                       encode([]byte(`{"alg":"none"}`)) + "." + admin + ".",
		"part of the signature":          token[:len(token)-4],
		"a longer signature":             token + "AAAA",
		"a token of ours that is none":   foreign,
		"signed by somebody else":        passport.NewKeys(oldKey).Sign("orders", "admin", []string{"*"}),
		"signed with the empty key":      passport.NewKeys("").Sign("orders", "admin", []string{"*"}),
		"two tokens":                     token + "." + token,
		"a signature with a line behind": token + "\n",
	} {
		if subject, _, err := keys.Verify("orders", forged); !errors.Is(err, passport.ErrForged) || subject != "" {
			t.Errorf("%s: %q, %v", name, subject, err)
		}
	}
}

// Workers in other languages verify it with whatever library they have for JWT.
func TestPrincipalIsAJWT(t *testing.T) {
	t.Parallel()
	token, err := jwt.ParseSigned(passport.NewKeys(newKey).Sign("orders", "bob", []string{"a", "b"}), []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		t.Fatal(err)
	}
	var c jwt.Claims
	var scope struct {
		Scope string `json:"scope"`
	}
	if err := token.Claims([]byte(newKey), &c, &scope); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(jwt.Expected{AnyAudience: jwt.Audience{"orders"}, Subject: "bob"}); err != nil || scope.Scope != "a b" {
		t.Errorf("claims %+v, scope %q: %v", c, scope.Scope, err)
	}
}

func BenchmarkSign(b *testing.B) {
	keys := passport.NewKeys(newKey)
	for b.Loop() {
		keys.Sign("orders", "auth0|507f1f77bcf86cd799439011", []string{"orders:read", "orders:write"})
	}
}

func BenchmarkVerify(b *testing.B) {
	keys := passport.NewKeys(newKey, oldKey)
	token := passport.NewKeys(oldKey).Sign("orders", "auth0|507f1f77bcf86cd799439011", []string{"orders:read", "orders:write"})
	for b.Loop() {
		if _, _, err := keys.Verify("orders", token); err != nil {
			b.Fatal(err)
		}
	}
}
