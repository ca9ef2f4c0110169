package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/internal/requestid"
	"github.com/journeyman-go/journeyman/jsonrpc"
)

// An Authenticator finds out whose a credential is. Keys and Tokens are two, FirstOf
// joins several.
type Authenticator interface {
	// Authenticate returns whom a credential belongs to: what stands behind Bearer, or
	// the password of Basic. The error is ErrUnknown for one that nobody has, and an
	// *InvalidError where more can be said of it; both are answered with 401. With any
	// other error nobody can tell now, which is answered with 503.
	Authenticate(ctx context.Context, credential string) (*jsonrpc.Principal, error)
}

// ErrUnknown means that nobody has the credential, as far as an Authenticator knows.
var ErrUnknown = errors.New("nobody has this credential")

// An InvalidError says what is wrong with a credential, in words for who shows it.
type InvalidError struct{ Why string }

func (e *InvalidError) Error() string { return e.Why }

// FirstOf returns an Authenticator that asks several in turn, until one knows the
// credential.
func FirstOf(all ...Authenticator) Authenticator { return firstOf(all) }

type firstOf []Authenticator

func (all firstOf) Authenticate(ctx context.Context, credential string) (*jsonrpc.Principal, error) {
	for _, a := range all {
		if who, err := a.Authenticate(ctx, credential); !errors.Is(err, ErrUnknown) {
			return who, err
		}
	}
	return nil, ErrUnknown
}

// Schemes of RFC 9110, section 11, as bits.
const (
	bearer = 1 << iota
	basic  // the password is the credential; the name is not looked at
)

// authenticate finds out who sends a call, by a Bearer credential alone. who is nil where
// nobody is asked. If ok is false, it has answered.
func (g *gateway) authenticate(w http.ResponseWriter, r *http.Request) (who *jsonrpc.Principal, ok bool) {
	return g.identify(w, r, bearer)
}

// authenticatePage is authenticate for what people open in a browser: Basic will do, and
// has the browser ask for it. A browser then sends it along whoever makes it send a
// request, so this is for what guard has let pass alone.
func (g *gateway) authenticatePage(w http.ResponseWriter, r *http.Request) (who *jsonrpc.Principal, ok bool) {
	return g.identify(w, r, bearer|basic)
}

func (g *gateway) identify(w http.ResponseWriter, r *http.Request, schemes int) (who *jsonrpc.Principal, ok bool) {
	if g.Refuse != "" {
		refuse(w, http.StatusForbidden, CodeRefused, g.Refuse)
		return nil, false
	}
	if g.Auth == nil {
		return nil, true
	}
	credential := credentialOf(r, schemes)
	if credential == "" {
		ask := "send a key or a token as Authorization: Bearer …"
		if schemes&basic != 0 {
			ask += ", or a key as the password"
		}
		challenge(w, schemes, "", ask)
		return nil, false
	}
	from := g.attempts.visit(g.network(r), credential)
	if wait := from.barred(); wait > 0 && !isToken(credential) {
		rateLimited(w, question{}, wait, "too many credentials from this address were wrong")
		return nil, false
	}
	who, err := g.Auth.Authenticate(r.Context(), credential)
	invalid, is := errors.AsType[*InvalidError](err)
	switch {
	case err == nil:
		from.passed()
		note(r, "principal", who.Subject)
		return who, true
	case errors.Is(err, ErrUnknown):
		invalid = &InvalidError{"it is not known here"}
	case !is:
		if r.Context().Err() == nil {
			g.Log.WarnContext(r.Context(), "cannot tell who calls", "err", err)
		}
		refuse(w, http.StatusServiceUnavailable, CodeUnavailable, "who calls cannot be found out now; nothing was handed over")
		return nil, false
	}
	if from.failed() {
		g.Log.InfoContext(r.Context(), "credential refused", "from", from.address, "why", invalid.Why)
	}
	challenge(w, schemes, invalid.Why, "the key or token is refused: "+invalid.Why)
	return nil, false
}

// isToken reports whether a credential has the form of a JWT (RFC 7519), which is signed
// and so beyond guessing: nobody's are to be refused for what others at the same address try.
func isToken(credential string) bool { return strings.Count(credential, ".") == 2 }

// credentialOf returns what a request shows by one of the schemes, or "". An empty one is
// a mistake in somebody's configuration, and opens nothing.
func credentialOf(r *http.Request, schemes int) string {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case schemes&bearer != 0 && strings.EqualFold(scheme, "Bearer"):
		return strings.TrimSpace(value)
	case schemes&basic != 0 && strings.EqualFold(scheme, "Basic"):
		_, password, _ := r.BasicAuth()
		return password
	}
	return ""
}

// challenge answers with 401, and says what was wrong where something was shown
// (RFC 6750, section 3).
func challenge(w http.ResponseWriter, schemes int, wrong, message string) {
	text := `Bearer realm="journeyman"`
	if wrong != "" {
		text += fmt.Sprintf(`, error="invalid_token", error_description="%s"`, quotable(wrong))
	}
	w.Header().Add("WWW-Authenticate", text)
	if schemes&basic != 0 {
		w.Header().Add("WWW-Authenticate", `Basic realm="journeyman: a key as the password", charset="UTF-8"`)
	}
	refuse(w, http.StatusUnauthorized, CodeRefused, message)
}

// quotable keeps of a text what may stand in an error_description.
func quotable(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '\''
		}
		return c
	}, text)
}

// passport returns the headers that a message takes along.
func (g *gateway) passport(r *http.Request, service string, who *jsonrpc.Principal) map[string]string {
	h := map[string]string{passport.Outside: "1", requestid.Header: requestid.Of(r.Context())}
	if who != nil && len(g.principals) > 0 {
		h[passport.Principal] = g.principals.Sign(service, who.Subject, who.Scopes)
	}
	return h
}

// subject is the principal's name, "" for one whom nobody asked.
func subject(who *jsonrpc.Principal) string {
	if who == nil {
		return ""
	}
	return who.Subject
}
