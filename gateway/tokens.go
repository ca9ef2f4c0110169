package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/journeyman-go/journeyman/internal/jwks"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/jsonrpc"
)

const (
	// Clocks of those who make tokens and of those who read them need not agree further.
	leeway = 30 * time.Second

	longestSubject = 255 // bytes: OpenID Connect Core 1.0, section 2
)

// TokenOptions say whose tokens are believed.
type TokenOptions struct {
	Secrets []string // any of which has signed with HS256; at least 32 bytes each
	KeySet  string   // where the public keys of a provider are: a https URL, or a file

	// What tokens must say in iss and aud. A KeySet needs both, as a provider signs for
	// other apps and, some of them, for other companies too; "" takes anything.
	Issuer, Audience string

	Log *slog.Logger // nil means slog.Default()
}

// Tokens are JSON Web Tokens (RFC 7519). They must have an end (exp) and a subject (sub);
// what it may do stands in scope (RFC 9068) or scp, as a list or with spaces between.
type Tokens struct {
	o   TokenOptions
	set *jwks.Set // nil: no KeySet
}

// NewTokens returns an Authenticator for tokens. A KeySet at a URL is read by Run. The error says
// which option cannot be used, and why.
func NewTokens(o TokenOptions) (*Tokens, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.KeySet == "" && len(o.Secrets) == 0 {
		return nil, errors.New("tokens need a secret or a key set")
	}
	for _, secret := range o.Secrets {
		if len(secret) < passport.ShortestKey {
			return nil, fmt.Errorf("a secret for tokens must have at least %d bytes (RFC 7518, section 3.2)", passport.ShortestKey)
		}
	}
	t := &Tokens{o: o}
	if o.KeySet == "" {
		return t, nil
	}
	if o.Issuer == "" || o.Audience == "" {
		return nil, errors.New("a key set needs an issuer and an audience: its provider signs tokens for others, too")
	}
	var err error
	if t.set, err = jwks.Open(o.KeySet, o.Log); err != nil {
		return nil, fmt.Errorf("key set %s: %w", o.KeySet, err)
	}
	return t, nil
}

// Run keeps the key set fresh until ctx ends.
func (t *Tokens) Run(ctx context.Context) {
	if t.set != nil {
		t.set.Run(ctx)
	}
}

// Ready returns why no token can be verified yet.
func (t *Tokens) Ready() error {
	if t.set == nil {
		return nil
	}
	return t.set.Ready()
}

// Authenticate verifies a token. It tells of claims only what the token's own signature
// has vouched for.
func (t *Tokens) Authenticate(ctx context.Context, credential string) (*jsonrpc.Principal, error) {
	if strings.Count(credential, ".") != 2 {
		return nil, ErrUnknown
	}
	token, err := jwt.ParseSigned(credential, t.algorithms())
	if err != nil {
		if _, is := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); is {
			return nil, &InvalidError{"the token is signed in a way that is not accepted here"}
		}
		return nil, &InvalidError{"the token cannot be read"}
	}
	keys, err := t.keys(ctx, token.Headers[0])
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if token.Claims(key) != nil {
			continue
		}
		var c claims
		if err := token.UnsafeClaimsWithoutVerification(&c.Claims, &c); err != nil { // which were verified
			return nil, &InvalidError{"the claims of the token cannot be read"}
		}
		return t.principal(c)
	}
	return nil, &InvalidError{"the token is not signed with a key that is accepted here"}
}

// algorithms returns how tokens may be signed. Secrets sign with HS256 alone, and an
// algorithm is tried with keys of its own kind alone: otherwise a public key could be
// taken for a secret, one that everybody knows.
func (t *Tokens) algorithms() (all []jose.SignatureAlgorithm) {
	if len(t.o.Secrets) > 0 {
		all = append(all, jose.HS256)
	}
	if t.set != nil {
		all = append(all, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA)
	}
	return all
}

// keys returns what may have signed a token with that header.
func (t *Tokens) keys(ctx context.Context, h jose.Header) (keys []any, err error) {
	if h.Algorithm == string(jose.HS256) {
		for _, secret := range t.o.Secrets {
			keys = append(keys, []byte(secret))
		}
		return keys, nil
	}
	found, err := t.set.Find(ctx, h.KeyID)
	for _, key := range found {
		if key.Algorithm == "" || key.Algorithm == h.Algorithm {
			keys = append(keys, key.Key)
		}
	}
	return keys, err
}

// principal returns whom a token is of, whose signature is right.
func (t *Tokens) principal(c claims) (*jsonrpc.Principal, error) {
	want := jwt.Expected{Issuer: t.o.Issuer}
	if t.o.Audience != "" {
		want.AnyAudience = jwt.Audience{t.o.Audience}
	}
	var why string
	switch err := c.ValidateWithLeeway(want, leeway); {
	case errors.Is(err, jwt.ErrExpired):
		why = "the token has expired"
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		why = "the token is not valid yet"
	case errors.Is(err, jwt.ErrInvalidIssuer):
		why = "the token is from another issuer"
	case errors.Is(err, jwt.ErrInvalidAudience):
		why = "the token is for another audience"
	case err != nil:
		why = "the token is not valid"
	case c.Expiry == nil:
		why = "the token has no end (exp)"
	case c.Subject == "":
		why = "the token has no subject (sub)"
	case len(c.Subject) > longestSubject:
		why = fmt.Sprintf("the subject of the token has more than %d bytes", longestSubject)
	default:
		scopes := slices.Concat(c.Scope, c.SCP)
		slices.Sort(scopes)
		return &jsonrpc.Principal{Subject: c.Subject, Scopes: slices.Compact(scopes)}, nil
	}
	return nil, &InvalidError{why}
}

type claims struct {
	jwt.Claims `json:"-"`

	Scope words `json:"scope"`
	SCP   words `json:"scp"`
}

// words are given as a list, or in one string with spaces between them.
type words []string

// UnmarshalJSON takes both forms.
func (w *words) UnmarshalJSON(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err == nil {
		// Some providers list names of groups. One with a space would be read as several
		// scopes once it is signed, and is none.
		*w = slices.DeleteFunc(list, func(s string) bool { return len(strings.Fields(s)) != 1 || strings.TrimSpace(s) != s })
		return nil
	}
	var line string
	if err := json.Unmarshal(text, &line); err != nil {
		return errors.New("scopes must be a string or a list of strings")
	}
	*w = strings.Fields(line)
	return nil
}
