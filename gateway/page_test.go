package gateway

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

type nobody struct{ transports.Caller }

// A browser asks for a name and a password, of which the password is the key. For calls
// that is none.
func TestBasicIsForPages(t *testing.T) {
	t.Parallel()
	g, _ := New(Options{Caller: nobody{}, Auth: Keys{PlainKey("right")}, Log: slog.New(slog.DiscardHandler)}).(*gateway)
	wrong := `Bearer realm="journeyman", error="invalid_token", error_description="it is not known here"`
	const plain, asks = `Bearer realm="journeyman"`, `Basic realm="journeyman: a key as the password", charset="UTF-8"`
	for name, tt := range map[string]struct {
		with       func(*http.Request)
		page, call []string // challenges; nil: it is let in
	}{
		"nothing":        {func(*http.Request) {}, []string{plain, asks}, []string{plain}},
		"Basic":          {func(r *http.Request) { r.SetBasicAuth("any", "right") }, nil, []string{plain}},
		"wrong":          {func(r *http.Request) { r.SetBasicAuth("right", "wrong") }, []string{wrong, asks}, []string{plain}},
		"no password":    {func(r *http.Request) { r.SetBasicAuth("right", "") }, []string{plain, asks}, []string{plain}},
		"no base64":      {func(r *http.Request) { r.Header.Set("Authorization", "Basic right") }, []string{plain, asks}, []string{plain}},
		"Bearer":         {func(r *http.Request) { r.Header.Set("Authorization", "Bearer right") }, nil, nil},
		"a wrong Bearer": {func(r *http.Request) { r.Header.Set("Authorization", "Bearer wrong") }, []string{wrong, asks}, []string{wrong}},
	} {
		for what, by := range map[string]struct {
			check func(http.ResponseWriter, *http.Request) bool
			want  []string
		}{
			"page": {func(w http.ResponseWriter, r *http.Request) bool {
				who, ok := g.authenticatePage(w, r)
				return ok && who.Subject == PlainKey("right").Name
			}, tt.page},
			"call": {func(w http.ResponseWriter, r *http.Request) bool {
				who, ok := g.authenticate(w, r)
				return ok && who.Subject == PlainKey("right").Name
			}, tt.call},
		} {
			r, w := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), httptest.NewRecorder()
			tt.with(r)
			in := by.check(w, r)
			if diff := cmp.Diff(by.want, w.Header()["Www-Authenticate"]); diff != "" || in != (by.want == nil) || !in && w.Code != http.StatusUnauthorized {
				t.Errorf("%s for a %s: let in %v, status %d, challenges (-want +got):\n%s", name, what, in, w.Code, diff)
			}
		}
	}
}
