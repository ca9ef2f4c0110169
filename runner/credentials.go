package runner

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"sync"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/internal/jwks"
	"github.com/journeyman-go/journeyman/internal/passport"
)

// authenticator returns who may call web, nil where nothing says so, and the part of it
// that verifies tokens, which does nothing where there are none. The error is a fault of
// what the settings name.
func (c *Config) authenticator(log *slog.Logger) (gateway.Authenticator, tokens, error) {
	var all []gateway.Authenticator
	var keys gateway.Keys
	for _, key := range c.APIKeys {
		keys = append(keys, gateway.PlainKey(string(key)))
	}
	for _, entry := range c.APIKeyHashes {
		key, err := parseKey(string(entry))
		if err != nil {
			return nil, nil, err // checkCredentials has said so
		}
		keys = append(keys, key)
	}
	if len(keys) > 0 {
		all = append(all, keys)
	}
	verifier := tokens(noTokens{})
	if c.JWKS != "" || len(c.JWTSecret) > 0 {
		t, err := gateway.NewTokens(gateway.TokenOptions{
			Secrets: exposed(c.JWTSecret), KeySet: c.JWKS, Issuer: c.JWTIssuer, Audience: c.JWTAudience, Log: log,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("tokens cannot be verified: %w; see JOURNEYMAN_JWKS", err)
		}
		all, verifier = append(all, t), t
	}
	if len(all) == 0 {
		return nil, verifier, nil
	}
	return gateway.FirstOf(all...), verifier, nil
}

// tokens is what the gateway has to run and to ask for the sake of tokens.
type tokens interface {
	Run(ctx context.Context)
	Ready() error
}

type noTokens struct{}

func (noTokens) Run(context.Context) {}
func (noTokens) Ready() error        { return nil }

// beside returns what do returns, with run beside it for so long.
func beside(ctx context.Context, run func(context.Context), do func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { run(ctx) })
	defer wait.Wait()
	defer cancel()
	return do()
}

// hasCredentials reports whether something says who may call web.
func (c *Config) hasCredentials() bool {
	return len(c.APIKeys) > 0 || len(c.APIKeyHashes) > 0 || len(c.JWTSecret) > 0 || c.JWKS != ""
}

// refusal is why the gateway must refuse calls, or "". Where others can reach it they
// reach all services behind it.
func (e *environment) refusal() string {
	host, _, _ := net.SplitHostPort(e.listenAddress())
	const until = "calls are refused until JOURNEYMAN_API_KEYS or another credential is set, as "
	switch {
	case e.config.hasCredentials():
		return ""
	case e.platform.name != "":
		return until + fmt.Sprintf("on %s everybody can reach this gateway", e.platform.name)
	case !net.ParseIP(host).IsLoopback():
		return until + fmt.Sprintf("other machines can reach this gateway at %s", e.listenAddress())
	}
	return ""
}

// unsigned is why services are not told who calls web, or "".
func (c *Config) unsigned() string {
	if !c.hasCredentials() || len(c.PrincipalKeys) > 0 {
		return ""
	}
	return "services are not told who calls, and methods with a scope refuse everybody, until JOURNEYMAN_PRINCIPAL_KEYS is set, the same for every process"
}

// checkCredentials returns what is wrong with the settings that say who may call web.
func (c *Config) checkCredentials() (faults []fault) {
	demand := func(ok bool, name string, value any, want string) {
		if !ok {
			faults = append(faults, fault{name, value, want})
		}
	}
	wrong := c.checkKeys()
	demand(wrong == "", "JOURNEYMAN_API_KEY_HASHES", c.APIKeyHashes, "entries of the form NAME:SHA256 or NAME:SHA256:SCOPE SCOPE, separated by commas; "+wrong)
	const long = "secrets of at least 32 bytes, separated by commas, such as openssl rand -hex 32 prints"
	demand(!slices.ContainsFunc(c.JWTSecret, short), "JOURNEYMAN_JWT_SECRET", c.JWTSecret, long)
	demand(!slices.ContainsFunc(c.PrincipalKeys, short), "JOURNEYMAN_PRINCIPAL_KEYS", c.PrincipalKeys, long)
	shared := func(s Secret) bool { return slices.Contains(c.JWTSecret, s) || slices.Contains(c.APIKeys, s) }
	demand(!slices.ContainsFunc(c.PrincipalKeys, shared), "JOURNEYMAN_PRINCIPAL_KEYS", c.PrincipalKeys,
		"secrets that are no key of a caller and sign nobody's tokens: whoever knows one can pass for anybody")
	err := jwks.Check(c.JWKS)
	demand(err == nil, "JOURNEYMAN_JWKS", c.JWKS, fmt.Sprintf("a https:// URL or a file: %v", err))
	const both = "it to be set, as the provider that JOURNEYMAN_JWKS names signs tokens for others, too"
	demand(c.JWKS == "" || c.JWTIssuer != "", "JOURNEYMAN_JWT_ISSUER", c.JWTIssuer, both)
	demand(c.JWKS == "" || c.JWTAudience != "", "JOURNEYMAN_JWT_AUDIENCE", c.JWTAudience, both)
	tokens := c.JWKS != "" || len(c.JWTSecret) > 0
	const alone = "JOURNEYMAN_JWKS or JOURNEYMAN_JWT_SECRET beside it: without one no tokens are taken"
	demand(tokens || c.JWTIssuer == "", "JOURNEYMAN_JWT_ISSUER", c.JWTIssuer, alone)
	demand(tokens || c.JWTAudience == "", "JOURNEYMAN_JWT_AUDIENCE", c.JWTAudience, alone)
	demand(c.RateLimit >= 0 && !math.IsInf(c.RateLimit, 0), "JOURNEYMAN_RATE_LIMIT", c.RateLimit, "0 or more")
	return faults
}

func short(s Secret) bool { return len(s) < passport.ShortestKey }

func exposed(secrets []Secret) []string {
	out := make([]string, len(secrets))
	for i, s := range secrets {
		out[i] = string(s)
	}
	return out
}
