package gateway_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/gateway"
)

const (
	secret   = "a secret of at least 32 bytes...."
	issuer   = "https://id.example"
	audience = "https://api.shop.example"
)

// claims are those of a good token, changed by with; nil takes one away, and a duration
// is a time from now.
func claims(with ...any) map[string]any {
	c := map[string]any{
		"sub": "bob", "iss": issuer, "aud": audience, "scope": "orders:read",
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Add(-time.Minute).Unix(),
	}
	for i := 0; i < len(with); i += 2 {
		name := with[i].(string)
		switch v := with[i+1].(type) {
		case nil:
			delete(c, name)
		case time.Duration:
			c[name] = time.Now().Add(v).Unix()
		default:
			c[name] = v
		}
	}
	return c
}

// sign makes a token. The id of its key is "" for none.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, id string, c map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("at+jwt")
	if id != "" {
		o.WithHeader("kid", id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// rsaKeys take long to make.
var rsaKeys = sync.OnceValue(func() (keys [3]*rsa.PrivateKey) {
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return keys
})

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keySet is the JSON of public keys.
func keySet(t *testing.T, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	set := jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// file returns the path of a file that holds text.
func file(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tokens returns the Authenticator; the set it reads is kept fresh until the test ends.
func tokens(t *testing.T, o gateway.TokenOptions) *gateway.Tokens {
	t.Helper()
	o.Log = quiet
	tokens, err := gateway.NewTokens(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tokens.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return tokens
}

// wants checks how a gateway answers a token, and says what is wrong with it.
func wants(t *testing.T, auth gateway.Authenticator, token, wrong string) {
	t.Helper()
	c := newCaller()
	r := post(t, gateway.Options{Auth: auth, Caller: c}, "/rpc/calculator", add, header("Authorization", "Bearer "+token))
	if wrong == "" {
		if r.StatusCode != http.StatusOK || len(c.sent) != 1 {
			t.Errorf("a good token got %d, %s", r.StatusCode, r.Header.Get("WWW-Authenticate"))
		}
		return
	}
	want := fmt.Sprintf(`Bearer realm="journeyman", error="invalid_token", error_description="%s"`, wrong)
	if got := r.Header.Get("WWW-Authenticate"); r.StatusCode != http.StatusUnauthorized || got != want || len(c.sent) > 0 {
		t.Errorf("got %d with %s, want 401 with %s", r.StatusCode, got, want)
	}
	check(t, r, 401, `{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"the key or token is refused: `+wrong+`"}}`)
}

const (
	unsigned = "the token is not signed with a key that is accepted here"
	otherway = "the token is signed in a way that is not accepted here"
	noToken  = "the token cannot be read"
	noClaims = "the claims of the token cannot be read"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	auth := tokens(t, gateway.TokenOptions{Secrets: []string{secret, strings.Repeat("s", 32)}, Issuer: issuer, Audience: audience})
	for name, tt := range map[string]struct {
		with  []any
		wrong string
	}{
		"good":                     {[]any{}, ""},
		"good, of several":         {[]any{"aud", []string{"other", audience}}, ""},
		"within the leeway":        {[]any{"exp", -10 * time.Second, "nbf", 10 * time.Second, "iat", 10 * time.Second}, ""},
		"expired":                  {[]any{"exp", -time.Minute}, "the token has expired"},
		"not yet valid":            {[]any{"nbf", time.Minute}, "the token is not valid yet"},
		"made tomorrow":            {[]any{"iat", 24 * time.Hour}, "the token is not valid yet"},
		"without an end":           {[]any{"exp", nil}, "the token has no end (exp)"},
		"an end that is no number": {[]any{"exp", "tomorrow"}, noClaims},
		"an end out of reach":      {[]any{"exp", 1e300}, noClaims},
		"without a subject":        {[]any{"sub", nil}, "the token has no subject (sub)"},
		"a subject without an end": {[]any{"sub", strings.Repeat("b", 256)}, "the subject of the token has more than 255 bytes"},
		"another issuer":           {[]any{"iss", "https://evil.example"}, "the token is from another issuer"},
		"no issuer":                {[]any{"iss", nil}, "the token is from another issuer"},
		"part of the issuer":       {[]any{"iss", issuer + ".evil.example"}, "the token is from another issuer"},
		"another audience":         {[]any{"aud", "https://other.example"}, "the token is for another audience"},
		"no audience":              {[]any{"aud", nil}, "the token is for another audience"},
		"scopes of another form":   {[]any{"scope", 7}, noClaims},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wants(t, auth, sign(t, jose.HS256, []byte(secret), "", claims(tt.with...)), tt.wrong)
		})
	}
	wants(t, auth, sign(t, jose.HS256, []byte(strings.Repeat("s", 32)), "", claims()), "") // the other secret
}

func TestScopesOfTokens(t *testing.T) {
	t.Parallel()
	auth := tokens(t, gateway.TokenOptions{Secrets: []string{secret}})
	for name, tt := range map[string]struct {
		with []any
		want []string
	}{
		"none":             {[]any{"scope", nil}, nil},
		"with spaces":      {[]any{"scope", "b a"}, []string{"a", "b"}},
		"scp with spaces":  {[]any{"scope", nil, "scp", "a b"}, []string{"a", "b"}},
		"scp as a list":    {[]any{"scope", nil, "scp", []string{"a", "b"}}, []string{"a", "b"}},
		"scope as a list":  {[]any{"scope", []string{"a", "b"}}, []string{"a", "b"}},
		"both of them":     {[]any{"scope", "a b", "scp", []string{"b", "c"}}, []string{"a", "b", "c"}},
		"no other claim's": {[]any{"scope", "", "roles", "admin", "scopes", "x", "Scope", "y", "SCP", "z"}, nil},
	} {
		who, err := auth.Authenticate(t.Context(), sign(t, jose.HS256, []byte(secret), "", claims(tt.with...)))
		if err != nil || who.Subject != "bob" || !slices.Equal(who.Scopes, tt.want) {
			t.Errorf("%s: %+v, %v; want %q", name, who, err, tt.want)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]crypto.Signer{"rsa": rsaKeys()[0], "p256": ecKey(t, elliptic.P256()), "p384": ecKey(t, elliptic.P384()), "ed": ed}
	var set []jose.JSONWebKey
	for id, key := range keys {
		set = append(set, jose.JSONWebKey{Key: key, KeyID: id, Use: "sig"})
	}
	pinned := rsaKeys()[1]
	set = append(set, jose.JSONWebKey{Key: pinned, KeyID: "pinned", Algorithm: "RS256"})
	auth := tokens(t, gateway.TokenOptions{KeySet: file(t, keySet(t, set...)), Issuer: issuer, Audience: audience})
	for _, tt := range []struct {
		alg jose.SignatureAlgorithm
		id  string
	}{{jose.RS256, "rsa"}, {jose.RS512, "rsa"}, {jose.PS256, "rsa"}, {jose.ES256, "p256"}, {jose.ES384, "p384"}, {jose.EdDSA, "ed"}} {
		wants(t, auth, sign(t, tt.alg, keys[tt.id], tt.id, claims()), "")
		wants(t, auth, sign(t, tt.alg, keys[tt.id], "", claims()), "") // any will do
		wants(t, auth, sign(t, tt.alg, keys[tt.id], "ghost", claims()), unsigned)
	}
	wants(t, auth, sign(t, jose.RS256, keys["rsa"], "ed", claims()), unsigned)
	wants(t, auth, sign(t, jose.RS256, pinned, "pinned", claims()), "")
	wants(t, auth, sign(t, jose.PS256, pinned, "pinned", claims()), unsigned)
	wants(t, auth, sign(t, jose.RS256, rsaKeys()[2], "rsa", claims()), unsigned)
	wants(t, auth, sign(t, jose.HS256, []byte(secret), "", claims()), otherway)
}

func TestForgedTokens(t *testing.T) {
	t.Parallel()
	key := rsaKeys()[0]
	o := gateway.TokenOptions{
		KeySet: file(t, keySet(t, jose.JSONWebKey{Key: key, KeyID: "k"})), Issuer: issuer, Audience: audience, Secrets: []string{secret},
	}
	auth := tokens(t, o)
	good := sign(t, jose.RS256, key, "k", claims())
	wants(t, auth, good, "")
	parts := strings.Split(good, ".")
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	own := jose.JSONWebKey{Key: ecKey(t, elliptic.P256())}
	embedding, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: own.Key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := jwt.Signed(embedding).Claims(claims()).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	admin := encode(claims("sub", "admin"))
	for name, tt := range map[string]struct{ token, wrong string }{
		"alg none":                        {encode(map[string]string{"alg": "none"}) + "." + admin + ".", otherway},
		"alg None, signed":                {encode(map[string]string{"alg": "None"}) + "." + admin + "." + parts[2], otherway},
		"no alg":                          {encode(map[string]string{"typ": "JWT"}) + "." + admin + "." + parts[2], otherway},
		"the public key as a secret":      {sign(t, jose.HS256, der, "k", claims("sub", "admin")), unsigned},
		"its JSON as a secret":            {sign(t, jose.HS256, keySet(t, jose.JSONWebKey{Key: key, KeyID: "k"}), "k", claims("sub", "admin")), unsigned},
		"another secret":                  {sign(t, jose.HS256, []byte(secret+"x"), "", claims()), unsigned},
		"the secret with another hash":    {sign(t, jose.HS512, []byte(secret+secret), "", claims()), otherway},
		"other claims":                    {parts[0] + "." + admin + "." + parts[2], unsigned},
		"no signature":                    {parts[0] + "." + parts[1] + ".", unsigned},
		"a key that it brings itself":     {embedded, unsigned},
		"no JSON":                         {"e30x.e30.e30", noToken},
		"nothing in it":                   {"..", otherway},
		"encrypted, of five parts":        {"e30.e30.e30.e30.e30", "it is not known here"},
		"expired, and signed by a nobody": {sign(t, jose.ES256, own.Key, "", claims("exp", 1)), unsigned}, // nothing is told of what nobody vouches for
		"a critical header":               {critical(t, key), unsigned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wants(t, auth, tt.token, tt.wrong)
		})
	}
	o.Secrets = nil // and where no secret is set, none will do
	wants(t, tokens(t, o), sign(t, jose.HS256, der, "k", claims("sub", "admin")), otherway)
}

// critical returns a token that asks for what nobody here knows (RFC 7515, section 4.1.11).
func critical(t *testing.T, key any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithHeader("x-once", true).WithHeader("crit", []string{"x-once"})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims()).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokenOptions(t *testing.T) {
	t.Parallel()
	good := file(t, keySet(t, jose.JSONWebKey{Key: rsaKeys()[0], KeyID: "k"}))
	got := map[string]string{}
	for name, o := range map[string]gateway.TokenOptions{
		"nothing":            {},
		"short secret":       {Secrets: []string{strings.Repeat("s", 31)}},
		"one short secret":   {Secrets: []string{secret, ""}},
		"no issuer":          {KeySet: good, Audience: audience},
		"no audience":        {KeySet: good, Issuer: issuer},
		"good":               {KeySet: good, Issuer: issuer, Audience: audience},
		"good, and a secret": {Secrets: []string{secret}},
		"in the clear":       {KeySet: "http://id.example/jwks", Issuer: issuer, Audience: audience},
	} {
		_, err := gateway.NewTokens(o)
		got[name] = fmt.Sprint(err)
	}
	const needs = "a key set needs an issuer and an audience: its provider signs tokens for others, too"
	const short = "a secret for tokens must have at least 32 bytes (RFC 7518, section 3.2)"
	if diff := cmp.Diff(map[string]string{
		"nothing": "tokens need a secret or a key set", "short secret": short, "one short secret": short,
		"no issuer": needs, "no audience": needs, "good": "<nil>", "good, and a secret": "<nil>",
		"in the clear": "key set http://id.example/jwks: it begins with http://, so whoever is on the way could put keys of his own into it; want https://",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
